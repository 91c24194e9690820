"""What the pages of rehearsals show: moments to choose from, and a scene as it stands."""
