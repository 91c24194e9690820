"""Who answers: technicians, the rota, cases and the attempts to reach somebody.

Knows nothing of PINs or TwiML.
"""
