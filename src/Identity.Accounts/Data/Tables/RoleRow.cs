using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Identity.Accounts.Data.Tables;

/// <summary>A role that may be given; <c>admin</c> needs no row.</summary>
internal sealed class RoleRow
{
    public required string Name { get; set; }

    public string? Description { get; set; }

    public DateTimeOffset CreatedAt { get; set; }
}

internal sealed class RoleRowConfiguration : IEntityTypeConfiguration<RoleRow>
{
    public void Configure(EntityTypeBuilder<RoleRow> row)
    {
        row.ToTable("roles").HasKey(r => r.Name);
        row.Property(r => r.Name).HasMaxLength(AccountRules.LongestRole);
        row.Property(r => r.Description).HasMaxLength(500);
    }
}
