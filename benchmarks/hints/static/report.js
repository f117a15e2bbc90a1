// What a page's script does before anything is shown: a choice that was kept.
document.documentElement.dataset.theme = localStorage.getItem("theme") || "light";
