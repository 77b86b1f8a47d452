"""The version of this package. It works with any service of the same first number."""

VERSION = "1.0.0"
