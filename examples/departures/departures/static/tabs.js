// Which tabs share a connection, by the lock that sluice.js holds for it: whoever has it
// reads for all. Null where the browser has no locks, as without HTTPS.

export async function tabs(address) {
  if (!navigator.locks) return null;
  const own = `tab ${Math.random()}`;
  return navigator.locks.request(own, async () => {
    const { held, pending } = await navigator.locks.query();
    const me = held.find((lock) => lock.name === own).clientId;
    const mine = (lock) => lock.name.startsWith("sluice") && lock.name.endsWith(address);
    return {
      leads: held.some((lock) => mine(lock) && lock.clientId === me),
      count: [...held, ...pending].filter(mine).length,
    };
  });
}
