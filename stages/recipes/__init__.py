"""Recipes: how a system is trained. One module per recipe; the rows of ``systems:`` choose and set them."""
