"""The database and what every package needs of it: engine, column types, due work, migrations.

Knows SQLAlchemy. Never imports another package of the house.
"""
