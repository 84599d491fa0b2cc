"""The demo: a year of a Growth team that never existed, told through the product's own functions."""
