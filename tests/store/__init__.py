"""The contract of the store, over every implementation, and what is particular to each."""
