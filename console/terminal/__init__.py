"""A telephone in the terminal, for one or two people: one calls, the other plays the technicians.

    stage.py     who may call whom, on a throwaway copy or on the running service
    session.py   the telephone without a screen: what can be done now, and what happened
    phones.py    what each technician's phone does
    summary.py   what the journal says afterwards
    piped.py     commands line by line, a plain transcript: to test and to script
    fullscreen.py, screen.py, chooser.py, keyboard.py, speech.py
                 the same session on a whole screen: loop, drawing, lists, keys, voice

The session knows neither of the last two groups; the drawing presses no key and the keyboard draws
nothing.
"""
