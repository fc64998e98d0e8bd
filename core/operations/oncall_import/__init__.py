"""Imports from other products: their people, schedules and escalations become our files.

What a product has and Tidegate has not becomes a remark, never a guess without one.
"""
