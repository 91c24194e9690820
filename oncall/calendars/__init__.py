"""The rota as calendars that phones subscribe to, and absences read from theirs."""
