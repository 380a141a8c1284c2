"""Running a plan: one call at a time, written down before and after.

The street: ``learning`` says what an outcome teaches, ``journaling`` writes it down, ``preflight`` checks the plan,
``retries`` and ``calls`` send one step, ``applier`` runs them all, ``runreport`` tells of it; ``settling`` is what a
person decides afterwards, ``estimates`` what is said before.
"""
