"""Joins what must leave the house with who brings it: telephone, text messages, e-mail, other services.

Nothing is imported before it is used: Twilio's REST library and apprise cost more than most commands.
"""

from __future__ import annotations

from console.settings import Configuration
from oncall.notices.channels import Channels


def real_channels(configuration: Configuration) -> Channels:
    """The channels that are configured."""
    telephone = texts = mail = services = None
    if configuration.twilio.account_sid and configuration.twilio.auth_tokens:
        from webhooks.outbound import RestTelephone, RestTexts

        telephone, texts = RestTelephone(configuration.twilio), RestTexts(configuration.twilio)
    if configuration.mail.host:
        from console.outbound.mail import HouseMail

        mail = HouseMail(configuration.mail, configuration.folder)
    if configuration.notices.services:
        from console.outbound.services import AppriseServices

        services = AppriseServices(configuration.notices.services)
    return Channels(telephone, texts, mail, services)
