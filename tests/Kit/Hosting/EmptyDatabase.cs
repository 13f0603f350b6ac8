using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace Identity.Tests.Kit.Hosting;

/// <summary>The SQLite file as the migrations make it, for servers of tests: made once a process, since making it takes a server's start longer than all the rest of its store.</summary>
public static class EmptyDatabase
{
    private static readonly Lazy<byte[]> s_content = new(Make);

    /// <summary>Does nothing where another server made one before.</summary>
    /// <param name="directory">The server's DATA_DIR; it is made where there is none.</param>
    public static void PutInto(string directory)
    {
        EmbeddedFiles.CreateDirectory(directory);
        var file = Path.Combine(directory, "identity.db");
        if (File.Exists(file))
        {
            return;
        }

        EmbeddedFiles.CreatePrivate(file);
        File.WriteAllBytes(file, s_content.Value);
    }

    private static byte[] Make()
    {
        var file = Path.GetTempFileName();
        try
        {
            using (var context = new SqliteIdentityDbContext(ProviderOptions.Sqlite(new SqliteConnectionStringBuilder { DataSource = file, Pooling = false }.ConnectionString, services: null)))
            {
                context.Database.Migrate();
            }

            return File.ReadAllBytes(file);
        }
        finally
        {
            File.Delete(file);
        }
    }
}
