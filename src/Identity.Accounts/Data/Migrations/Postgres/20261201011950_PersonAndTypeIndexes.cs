using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Identity.Accounts.Data.Migrations.Postgres
{
    /// <inheritdoc />
    public partial class PersonAndTypeIndexes : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateIndex(
                name: "ix_tokens_subject",
                table: "tokens",
                column: "subject",
                filter: "subject IS NOT NULL");

            migrationBuilder.CreateIndex(
                name: "ix_tokens_type_expiration_date",
                table: "tokens",
                columns: new[] { "type", "expiration_date" });

            migrationBuilder.CreateIndex(
                name: "ix_push_messages_account_id",
                table: "push_messages",
                column: "account_id");

            migrationBuilder.CreateIndex(
                name: "ix_logout_notices_account_id",
                table: "logout_notices",
                column: "account_id");

            migrationBuilder.CreateIndex(
                name: "ix_audit_log_actor_id",
                table: "audit_log",
                column: "actor_id",
                filter: "actor_id IS NOT NULL");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "ix_tokens_subject",
                table: "tokens");

            migrationBuilder.DropIndex(
                name: "ix_tokens_type_expiration_date",
                table: "tokens");

            migrationBuilder.DropIndex(
                name: "ix_push_messages_account_id",
                table: "push_messages");

            migrationBuilder.DropIndex(
                name: "ix_logout_notices_account_id",
                table: "logout_notices");

            migrationBuilder.DropIndex(
                name: "ix_audit_log_actor_id",
                table: "audit_log");
        }
    }
}
