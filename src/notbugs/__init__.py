"""notbugs: which features does a classifier use, and what happens when you take them away?"""
