"""The results of all recipes: ``fer-equal-compute``'s rows, and the page made of them and of full trainings."""
