"""The configuration in force, in words: what each key means, where its value comes from, what is risky."""

from __future__ import annotations

from console.access.roles import May
from console.settings_checks import findings
from console.web.area import Area
from console.web.context import house, reading, words
from console.web.render import page
from console.web.shown import settings as shown
from oncall.rota import roster

area = Area("settings")


@area.page("/settings", May.SETTINGS)
def index() -> str:
    configuration = house().configuration
    with reading() as connection:
        rotas = roster.rota_keys(connection)
    return page(
        "settings/index.html",
        findings=findings(configuration, rotas),
        sections=shown.sections(configuration, words()),
        file=configuration.file,
    )
