using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Identity.Adapters.Sql.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class DenyGrantedUntil : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<long>(
                name: "granted_until",
                table: "deny_entries",
                type: "INTEGER",
                nullable: false,
                defaultValue: 0L);

            // What is denied by now is denied whenever it was granted: with the default it would live again.
            migrationBuilder.Sql("UPDATE deny_entries SET granted_until = expires_at");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropColumn(
                name: "granted_until",
                table: "deny_entries");
        }
    }
}
