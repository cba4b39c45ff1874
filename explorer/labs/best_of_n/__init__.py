"""Best of N: many answers, and rules that choose one."""
