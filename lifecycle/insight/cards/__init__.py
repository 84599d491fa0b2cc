"""Reading one card: its gate with every fix, its facts, people and journey."""
