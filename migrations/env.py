"""Runs the migrations on the database whose URL `transfer_service.db.schema.upgrade` passes."""

from alembic import context
from sqlalchemy import create_engine, event, pool

from transfer_service.models.base import Base


def migrate() -> None:
    """Apply what is missing, in one transaction."""
    engine = create_engine(context.config.attributes["url"], poolclass=pool.NullPool)
    if engine.dialect.name == "sqlite":
        # The driver would begin too late for a schema change to be undone: begin here, as the only writer.
        event.listen(engine, "connect", lambda connection, _record: setattr(connection, "isolation_level", None))
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.begin() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
        context.run_migrations()


migrate()
