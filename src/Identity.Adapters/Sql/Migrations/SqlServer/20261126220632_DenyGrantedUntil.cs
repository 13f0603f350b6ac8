using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Identity.Adapters.Sql.Migrations.SqlServer
{
    /// <inheritdoc />
    public partial class DenyGrantedUntil : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<DateTimeOffset>(
                name: "granted_until",
                table: "deny_entries",
                type: "datetimeoffset(6)",
                precision: 6,
                nullable: true);

            // What is denied by now is denied whenever it was granted: it must not live again.
            migrationBuilder.Sql("EXEC(N'UPDATE deny_entries SET granted_until = expires_at')");

            migrationBuilder.AlterColumn<DateTimeOffset>(
                name: "granted_until",
                table: "deny_entries",
                type: "datetimeoffset(6)",
                precision: 6,
                nullable: false,
                oldClrType: typeof(DateTimeOffset),
                oldType: "datetimeoffset(6)",
                oldPrecision: 6,
                oldNullable: true);
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
