using System.Text;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.Data.Tables;

/// <summary>Names columns, keys and indexes alike on every provider: lower case and underscores, which no provider needs quoted.</summary>
public static class SnakeCase
{
    public static void Apply(ModelBuilder modelBuilder)
    {
        foreach (var entity in modelBuilder.Model.GetEntityTypes())
        {
            foreach (var property in entity.GetProperties())
            {
                property.SetColumnName(Of(property.Name));
            }

            var table = entity.GetTableName();
            foreach (var key in entity.GetKeys())
            {
                key.SetName($"pk_{table}");
            }

            foreach (var index in entity.GetIndexes())
            {
                index.SetDatabaseName($"ix_{table}_{string.Join('_', index.Properties.Select(p => Of(p.Name)))}");
            }
        }
    }

    public static string Of(string name)
    {
        var result = new StringBuilder(name.Length + 4);
        foreach (var letter in name)
        {
            if (char.IsUpper(letter) && result.Length > 0)
            {
                result.Append('_');
            }

            result.Append(char.ToLowerInvariant(letter));
        }

        return result.ToString();
    }
}
