"""The radar: a day's flights over a map, as pictures.

In: the database, a day, a speed. Out: cameras, whose frames are drawn while somebody
watches. `globe` is the geometry, `sky` the flights, `chart`, `marks` and `painter` the
drawing, `screens` the cameras. Only the drawing knows Pillow.
"""
