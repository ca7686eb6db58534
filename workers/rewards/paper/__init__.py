"""The study's scorers, behaviour for behaviour, flaws included and named, for results that are held against its own.

Three things differ on purpose. One time limit holds for an answer as a whole, where the study nested several that
cancelled each other. What failed inside the study's code and was taken for wrong is an exception here, worth the same
reward. And the study evaluated a model's text as Python in one place; here it is only read.
"""
