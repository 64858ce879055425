"""Load-test bots: clients that know the documented protocol and nothing of the product's inside."""
