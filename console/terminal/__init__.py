"""A telephone in the terminal, for one or two people: one calls, the other plays the technicians.

    piped.py     commands line by line, a plain transcript: to test and to script
    hands.py     what each key of the keyboard does
    fullscreen.py, screen.py, chooser.py, keyboard.py, speech.py
                 the same session on a whole screen: loop, drawing, lists, keys, voice

The telephone itself is `console/rehearsing/`, which knows none of these; the drawing presses no key and the
keyboard draws nothing.
"""
