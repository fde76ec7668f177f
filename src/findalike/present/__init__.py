"""Hits for people and programs: records and JSON, a table, a contact sheet, a page, a grid for notebooks.

Nothing here prints or opens a picture of the user: thumbnails come from the store through `Thumbnails`.
`docs/present.md` describes each form. The modules are imported on use: `table` needs rich, `sheet` Pillow.
"""
