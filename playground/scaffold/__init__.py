"""Creates new plugins and scenarios from templates, without importing torch.

`plugin` fills the templates of a distribution or a single file, `scenario` those of a scenario, and `names` checks
names. `templates/` has a folder for each kind of component; its files contain placeholders such as `$name`
(`string.Template`).
"""
