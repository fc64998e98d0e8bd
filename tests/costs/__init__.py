"""What Tidegate costs: docs/costs.md, computed from prices, assumptions and counts.

Counts come from where they are decided: templates, snapshots, recorded histories, the code. `make
costs` writes the tables and the picture; a test fails while the page is not what this makes.
"""
