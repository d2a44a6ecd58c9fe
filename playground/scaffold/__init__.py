"""What a new plugin or scenario starts as: templates, and the texts made of them. No torch.

`plugin` fills in a distribution or a single file, `scenario` a scenario for any task, `names` says what may be a name,
and `templates/` holds plain files with `$name` in them (`string.Template`), one folder for each kind of component.
"""
