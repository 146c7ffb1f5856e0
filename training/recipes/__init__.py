"""What is trained and how, as data: all recipes by name, the product's own and those of the reports."""
