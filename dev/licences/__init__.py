"""`python -m dev.licences`: may everything that the lock files name be used in this project?"""
