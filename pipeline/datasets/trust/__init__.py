"""How far a run's data can be trusted: recorded measurements, and the card's section about them."""
