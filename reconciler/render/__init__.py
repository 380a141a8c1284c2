"""Text, made last: a plan, a run or a finding as people and machines want to read it."""
