"""The pages that people see in a browser. They use nothing but the public API (docs/console.md)."""
