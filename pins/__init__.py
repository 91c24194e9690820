"""Who is calling: customers, their contracts, their PINs.

Knows nothing of telephones or technicians.
"""
