"""Reading boards: columns with exact totals and their first cards, in a constant number of queries."""
