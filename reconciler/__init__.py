"""payway-reconciler: declare Tulo Payway user products in YAML, review the plan, apply exactly that."""
