using System.Net;
using System.Net.Http.Json;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.CommandLine;

/// <summary>identity migrate-credentials, there and back, beside a server that runs.</summary>
public sealed class CredentialCommandTests
{
    private const string Password = "staple of another colour";

    [Fact]
    public async Task Credentials_WhenMovedThereAndBack_AreTheSameAndPeopleSignInAllTheWhile()
    {
        await using var mongo = await MongoInstance.StartAsync();
        if (mongo is null)
        {
            Assert.Skip(MongoInstance.WhatIsMissing);
        }

        using var plain = await Shell.MigratedAsync();
        (await plain.RunAsync(Password + "\n", ["users", "create", "ada@example.com", "--password-stdin"])).Done();
        (await plain.RunAsync("users", "import", plain.File("users.jsonl", string.Concat(Enumerable.Range(0, 450).Select(i => $$$"""{"email":"u{{{i}}}@example.com","metadata":{"number":{{{i}}}}}""" + "\n"))))).Done();
        using var shell = new Shell(("DATA_DIR", plain.DataDirectory), ("MONGO_URI", mongo.Uri())) { Configure = builder => builder.Services.AddSingleton<TimeProvider>(new HastyTimeProvider()) };
        var there = (await shell.RunAsync("migrate-credentials", "--to", "mongodb", "--json")).Done().Json;
        Assert.Equal((901, 451), ((int)there["moved"]!, (int)there["credentials"]!));
        Assert.StartsWith("MONGO_URI:", (await plain.RunAsync("users", "list")).Refused(), StringComparison.Ordinal);

        string both;
        await using (var server = await shell.ServeAsync())
        {
            // The administrator that the start made, too.
            Assert.Equal(HttpStatusCode.OK, await SignInAsync(server));
            both = (await shell.RunAsync("users", "list", "--json")).Done().Output;
            there = (await shell.RunAsync("migrate-credentials", "--to", "mongodb", "--json")).Done().Json;
            Assert.Equal((0, 452), ((int)there["moved"]!, (int)there["credentials"]!));
            var back = (await shell.RunAsync("migrate-credentials", "--to", "relational", "--json")).Done().Json;
            Assert.Equal((902, 452), ((int)back["moved"]!, (int)back["credentials"]!));
            Assert.Equal((string?)there["sha256"], (string?)back["sha256"]);
            Assert.Equal(HttpStatusCode.OK, await SignInAsync(server));
            Assert.StartsWith("MONGO_URI: expected to be unset", (await shell.RunAsync("users", "list")).Refused(), StringComparison.Ordinal);
        }

        Assert.Equal(WithoutSignIns(both), WithoutSignIns((await plain.RunAsync("users", "list", "--json")).Done().Output));
        string[] moves = ["to_mongodb", "to_mongodb", "to_relational"];
        Assert.Equal(moves.Select(outcome => ("credentials_move", outcome, (string?)"command-line")), (await plain.TrailAsync()).Where(each => each.Action == "credentials_move"));
        await using var without = await plain.ServeAsync();
        Assert.Equal(HttpStatusCode.OK, await SignInAsync(without));
    }

    [Fact]
    public async Task Credentials_WhenThereIsNoMongo_AreRefusedInOneLine()
    {
        using var shell = await Shell.MigratedAsync();
        Assert.StartsWith("MONGO_URI:", (await shell.RunAsync("migrate-credentials", "--to", "mongodb")).Refused(), StringComparison.Ordinal);
        using var away = new Shell(("DATA_DIR", shell.DataDirectory), ("MONGO_URI", $"mongodb://127.0.0.1:{Ports.Free()}/x"));
        Assert.StartsWith("MONGO_URI: expected a usable MongoDB", (await away.RunAsync("migrate-credentials", "--to", "mongodb")).Refused(), StringComparison.Ordinal);
        (await shell.RunAsync("users", "list")).Done();
    }

    // A database beside the one that MongoDB belongs to: mistyped, or restored from before MongoDB was used.
    [Fact]
    public async Task Credentials_WhenTheMongoIsAnotherDatabases_AreRefusedUntilItIsAdopted()
    {
        await using var mongo = await MongoInstance.StartAsync();
        if (mongo is null)
        {
            Assert.Skip(MongoInstance.WhatIsMissing);
        }

        var uri = mongo.Uri();
        using var first = await Shell.MigratedAsync();
        (await first.RunAsync(Password + "\n", ["users", "create", "ada@example.com", "--password-stdin"])).Done();
        using var owner = new Shell(("DATA_DIR", first.DataDirectory), ("MONGO_URI", uri)) { Configure = builder => builder.Services.AddSingleton<TimeProvider>(new HastyTimeProvider()) };
        (await owner.RunAsync("migrate-credentials", "--to", "mongodb")).Done();

        using var second = await Shell.MigratedAsync();
        using var other = new Shell(("DATA_DIR", second.DataDirectory), ("MONGO_URI", uri));
        foreach (var command in new[] { new[] { "migrate-credentials", "--to", "mongodb" }, ["migrate-credentials", "--to", "relational"], ["users", "list"] })
        {
            Assert.StartsWith("MONGO_URI: expected the MongoDB of this database;", (await other.RunAsync(command)).Refused(), StringComparison.Ordinal);
        }

        Assert.Contains("MONGO_URI: expected the MongoDB of this database;", (await other.RunAsync("check")).Output, StringComparison.Ordinal);
        var adopted = (await other.RunAsync("migrate-credentials", "--to", "mongodb", "--adopt", "--json")).Done().Json;
        Assert.Equal(0, (int)adopted["moved"]!);
        (await other.RunAsync("users", "list")).Done();
        Assert.StartsWith("MONGO_URI:", (await owner.RunAsync("users", "list")).Refused(), StringComparison.Ordinal);
    }

    private static string WithoutSignIns(string users) => System.Text.RegularExpressions.Regex.Replace(users, "\"lastLoginAt\":(null|\"[^\"]*\")", "", System.Text.RegularExpressions.RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(1));

    private static async Task<HttpStatusCode> SignInAsync(HostedServer server)
    {
        using var http = new HttpClient { BaseAddress = server.Url };
        using var answer = await http.PostAsJsonAsync("/api/identity/login", new { email = "ada@example.com", password = Password });
        return answer.StatusCode;
    }
}
