"""Generated code of the contract; see tools/generate_contract.py."""
