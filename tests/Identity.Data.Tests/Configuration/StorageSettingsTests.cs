using Identity.ServiceDefaults.Settings;
using Microsoft.Data.SqlClient;
using Microsoft.Extensions.Configuration;
using Npgsql;

namespace Identity.Data.Tests.Configuration;

public sealed class StorageSettingsTests
{
    private const string Key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    [Fact]
    public void Read_WhenNothingIsSet_IsTheEmbeddedFile()
    {
        var settings = Good();
        Assert.Equal(DatabaseProvider.Sqlite, settings.Provider);
        Assert.Equal(Path.GetFullPath("data"), settings.DataDirectory);
        Assert.Contains(Path.Combine(Path.GetFullPath("data"), "identity.db"), settings.ConnectionString, StringComparison.Ordinal);
        Assert.Null(settings.MasterKey);
    }

    // As every other setting: a secret that was read from a file ends in a line break.
    [Fact]
    public void Read_WhenValuesHaveWhiteSpaceAroundThem_TakesThemWithoutAndBlankOnesAsUnset()
    {
        Assert.Equal(DatabaseProvider.Sqlite, Good("DB_HOST= ", "DB_NAME=", "MASTER_KEY=" + Key + "\n").Provider);
        var builder = new SqlConnectionStringBuilder(Good("DB_HOST=db.example\n", "DB_USERNAME= u", "DB_PASSWORD=p\n", "DB_NAME= ").ConnectionString);
        Assert.Equal(("db.example", "u", "p", "identity"), (builder.DataSource, builder.UserID, builder.Password, builder.InitialCatalog));
    }

    [Fact]
    public void Read_WhenHostIsSet_IsSqlServerByDefault()
    {
        var settings = Good("DB_HOST=db.example", "DB_USERNAME=u", "DB_PASSWORD=p;w\"d");
        Assert.Equal(DatabaseProvider.SqlServer, settings.Provider);
        var builder = new SqlConnectionStringBuilder(settings.ConnectionString);
        Assert.Equal("db.example", builder.DataSource);
        Assert.Equal("identity", builder.InitialCatalog);
        Assert.Equal("p;w\"d", builder.Password);
    }

    [Theory]
    [InlineData("db.example,1444", "db.example,1444")]
    [InlineData("db.example:1444", "db.example,1444")]
    [InlineData("10.0.0.1:1444", "10.0.0.1,1444")]
    [InlineData("[::1]:1444", "::1,1444")]
    [InlineData("[::1]", "::1")]
    public void Read_WhenHostHasAPort_TakesIt(string host, string dataSource) =>
        Assert.Equal(dataSource, new SqlConnectionStringBuilder(Good($"DB_HOST={host}", "DB_USERNAME=u", "DB_PASSWORD=p").ConnectionString).DataSource);

    [Fact]
    public void Read_WhenPostgres_FillsTheConnection()
    {
        var settings = Good("DB_PROVIDER=Postgres", "DB_HOST=pg,5433", "DB_NAME=other", "DB_USERNAME=u", "DB_PASSWORD=p;w", "DB_TLS=verify", "MASTER_KEY=" + Key);
        Assert.Equal(DatabaseProvider.Postgres, settings.Provider);
        var builder = new NpgsqlConnectionStringBuilder(settings.ConnectionString);
        Assert.Equal(("pg", 5433, "other", "u", "p;w", SslMode.VerifyFull), (builder.Host, builder.Port, builder.Database, builder.Username, builder.Password, builder.SslMode));
        Assert.Equal(32, settings.MasterKey!.Length);
    }

    [Theory]
    [InlineData("DB_HOST", "DB_HOST=a:b:c", "DB_USERNAME=u", "DB_PASSWORD=p")]
    [InlineData("DB_HOST", "DB_HOST=a:0", "DB_USERNAME=u", "DB_PASSWORD=p")]
    [InlineData("DB_HOST", "DB_HOST=a:65536", "DB_USERNAME=u", "DB_PASSWORD=p")]
    [InlineData("DB_HOST", "DB_HOST=a:", "DB_USERNAME=u", "DB_PASSWORD=p")]
    [InlineData("DB_HOST", "DB_HOST=a;Encrypt=no", "DB_USERNAME=u", "DB_PASSWORD=p")]
    [InlineData("DB_HOST", "DB_HOST=[::1", "DB_USERNAME=u", "DB_PASSWORD=p")]
    [InlineData("DB_HOST", "DB_PROVIDER=postgres")]
    [InlineData("DB_HOST", "DB_PROVIDER=sqlserver", "DB_USERNAME=u", "DB_PASSWORD=p")]
    [InlineData("DB_HOST", "DB_PROVIDER=sqlite", "DB_HOST=a")]
    [InlineData("DB_PROVIDER", "DB_PROVIDER=mysql")]
    [InlineData("DB_NAME", "DB_NAME=identity")]
    [InlineData("DB_USERNAME", "DB_USERNAME=u")]
    [InlineData("DB_PASSWORD", "DB_PASSWORD=canary")]
    [InlineData("DB_USERNAME", "DB_HOST=a", "DB_PROVIDER=postgres")]
    [InlineData("DB_USERNAME", "DB_HOST=a", "DB_PASSWORD=canary")]
    [InlineData("DB_PASSWORD", "DB_HOST=a", "DB_USERNAME=u")]
    [InlineData("DB_TLS", "DB_TLS=banana")]
    [InlineData("DB_TLS", "DB_HOST=a", "DB_USERNAME=u", "DB_PASSWORD=p", "DB_TLS=yes")]
    [InlineData("MASTER_KEY", "MASTER_KEY=canary")]
    [InlineData("MASTER_KEY", "MASTER_KEY=AAAA")]
    [InlineData("MASTER_KEY", "MASTER_KEY=" + Key + "AAAA")]
    public void Read_WhenAValueIsBad_GivesOneLineThatNamesItAndNoSettings(string name, params string[] values)
    {
        var problems = new List<string>();
        Assert.Null(StorageSettings.Read(Configuration(values), problems));
        var problem = Assert.Single(problems);
        Assert.StartsWith(name + ": expected ", problem, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', problem);
        Assert.DoesNotContain("canary", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_WhenDataDirIsAFile_IsAProblem()
    {
        var file = Path.GetTempFileName();
        try
        {
            var problems = new List<string>();
            Assert.Null(StorageSettings.Read(Configuration("DATA_DIR=" + file), problems));
            Assert.Equal("DATA_DIR: expected the path of a directory.", Assert.Single(problems));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public void Read_WhenSeveralAreBad_NamesEach()
    {
        var problems = new List<string>();
        Assert.Null(StorageSettings.Read(Configuration("DB_PROVIDER=x", "MASTER_KEY=x"), problems));
        Assert.Equal(2, problems.Count);
    }

    // What is told at each start: nobody finds out by reading a manual that passwords went over the network in clear.
    [Theory]
    [InlineData("DB_HOST (DB_TLS is unset", "DB_PROVIDER=postgres", "DB_HOST=pg.example")]
    [InlineData("DB_HOST (DB_TLS=off)", "DB_PROVIDER=postgres", "DB_HOST=pg.example", "DB_TLS=off")]
    [InlineData(null, "DB_PROVIDER=postgres", "DB_HOST=pg.example", "DB_TLS=require")]
    [InlineData(null, "DB_PROVIDER=postgres", "DB_HOST=pg.example", "DB_TLS=verify")]
    [InlineData(null, "DB_PROVIDER=postgres", "DB_HOST=127.0.0.1")]
    [InlineData(null, "DB_HOST=sql.example")]
    [InlineData("DB_HOST (DB_TLS=off)", "DB_HOST=sql.example", "DB_TLS=off")]
    public void ClearTextConnections_NameTheDatabaseThatMayBeReachedWithoutTls(string? beginning, params string[] values)
    {
        var told = Good([.. values, "DB_USERNAME=u", "DB_PASSWORD=p"]).ClearTextConnections.ToArray();
        if (beginning is null)
        {
            Assert.Empty(told);
        }
        else
        {
            Assert.StartsWith(beginning, Assert.Single(told), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Description_WhenShown_HoldsNoCredentials()
    {
        var description = Good("DB_HOST=db.example:1444", "DB_USERNAME=canary", "DB_PASSWORD=canary").Description;
        Assert.Equal("SQL Server at db.example:1444, database identity", description);
    }

    private static StorageSettings Good(params string[] values)
    {
        var problems = new List<string>();
        var settings = StorageSettings.Read(Configuration(values), problems);
        Assert.Empty(problems);
        return settings!;
    }

    private static IConfiguration Configuration(params string[] values) => new ConfigurationBuilder()
        .AddInMemoryCollection(values.Select(v => v.Split('=', 2)).Select(v => KeyValuePair.Create(v[0], (string?)v[1])))
        .Build();
}
