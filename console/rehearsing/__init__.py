"""A telephone and everybody's hands on it, without a screen: what the terminal and the console share.

    playhouse.py a house that is played in, at instants of our choosing
    rehearsal.py a playhouse that is a throwaway copy of the house, and tone.py what its people say
    stage.py     who may call whom, on a throwaway copy or on the running service
    session.py   the telephone: what can be done now, and what happened
    asked.py     what a line listens for
    phones.py    what each phone on the table does
    pace.py      how far a voice has come
    orders.py    what is done, as lines of text
    passing.py   what happens by itself as time goes by
    summary.py   what the journal says afterwards, and the conversation as a test
    scene.py     a rehearsal with whoever is in it; a `.call` file played in it
    question.py  what would happen, played by itself
    store.py     the rehearsals that are under way in the console
    quiet.py     what the log says meanwhile

Nothing here knows a terminal or a page.
"""
