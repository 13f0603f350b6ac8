using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.Configuration;

namespace Identity.Data.Tests.Configuration;

public sealed class MongoSettingsTests
{
    [Theory]
    [InlineData("mongodb://a:27018,b/people", "MongoDB at a:27018, b:27017, database people")]
    [InlineData("mongodb://user:canary@localhost", "MongoDB at localhost:27017, database identity")]
    [InlineData("mongodb://user:canary@db.example/?tls=true", "MongoDB at db.example:27017, database identity")]
    [InlineData("mongodb://user:canary@db.example/?tls=false", "MongoDB at db.example:27017, database identity")]
    public void Read_WhenTheUriIsGood_TakesItAndShowsNoPassword(string uri, string description) => Assert.Equal(description, Read(uri, out _)!.Description);

    [Theory]
    [InlineData("http://canary")]
    [InlineData("mongodb://")]
    [InlineData("mongodb://a/?w=0")]
    [InlineData("mongodb://user:canary@db.example")]
    [InlineData("mongodb://user:canary@localhost/a.b")]
    [InlineData("mongodb://user:canary@localhost/?authMechanism=NOPE")]
    [InlineData("mongodb://user:canary@localhost/?authMechanism=MONGODB-X509")]
    public void Read_WhenTheUriCannotBeUsed_GivesOneLineWithoutIt(string uri)
    {
        Assert.Null(Read(uri, out var problems));
        var problem = Assert.Single(problems);
        Assert.StartsWith("MONGO_URI: expected ", problem, StringComparison.Ordinal);
        Assert.DoesNotContain("canary", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_WhenUnset_IsNull()
    {
        Assert.All(["", " "], blank =>
        {
            Assert.Null(Read(blank, out var problems));
            Assert.Empty(problems);
        });
    }

    private static MongoSettings? Read(string uri, out List<string> problems)
    {
        problems = [];
        return MongoSettings.Read(new ConfigurationBuilder().AddInMemoryCollection([KeyValuePair.Create("MONGO_URI", (string?)uri)]).Build(), problems);
    }
}
