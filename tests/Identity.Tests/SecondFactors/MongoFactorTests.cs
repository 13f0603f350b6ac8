using Identity.Accounts.Data;
using Identity.Accounts.Data.Mongo;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.SecondFactors;
using Identity.Tests.Kit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Identity.Tests.SecondFactors;

/// <summary>Second factors by HTTP whose keys are in MongoDB: there, away, and there again.</summary>
public sealed class MongoFactorTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Login_WhoseSecondFactorIsInMongo_Works_AndWhileMongoIsAwayIs503AndSpendsNothing()
    {
        await using var mongo = await MongoInstance.StartAsync();
        if (mongo is not { IsPrivate: true })
        {
            Assert.Skip("Only a MongoDB of our own can be stopped.");
        }

        await using var server = new MongoServerOfFactors(mongo.Uri());
        await server.InitializeAsync();
        var ada = await server.ArmedAsync();
        using var passkey = new SoftwarePasskey();
        var begun = await server.PostAsync("factors/passkeys/options", null, ada.Tokens.Access);
        var added = await server.PostAsync("factors/passkeys", new { passkeyToken = begun.Value("passkeyToken"), name = "Key", credential = passkey.Create(begun.Json["publicKey"]!) }, ada.Tokens.Access);
        Assert.True((int)added.Status == 201, added.Text);

        // Neither is in the database any more.
        var rows = await server.Services.GetRequiredService<StoreDatabase>().ReadAsync((context, token) => context.Set<SecondFactorRow>().ToListAsync(token), Cancel);
        Assert.Equal([(FactorKinds.Passkey, ""), (FactorKinds.Totp, "")], rows.Select(row => (row.Kind, row.Data)).Order());
        Assert.Equal(2, await server.Services.GetRequiredService<MongoServer>().Collection("second_factors").CountDocumentsAsync(FilterDefinition<BsonDocument>.Empty, cancellationToken: Cancel));

        var (mfaToken, _) = await server.BeginAsync(ada.Person);
        var alone = await server.PostAsync("login/passkey", null);
        await mongo.StopAsync();
        (await server.PostAsync("login", new { mfaToken, code = server.Totp(ada.Secret) })).AssertFailure(503, "service_unavailable");
        (await server.PostAsync("login", new { passkeyToken = alone.Value("passkeyToken"), credential = passkey.Get(alone.Json["publicKey"]!) })).AssertFailure(503, "service_unavailable");
        await mongo.StartAgainAsync();

        // The half sign-in and the code are as good as before; a passkey's challenge is asked for anew.
        (await server.PostAsync("login", new { mfaToken, code = server.Totp(ada.Secret) })).AssertOk();
        (await server.PostAsync("login", new { mfaToken, code = server.Totp(ada.Secret) })).AssertFailure(401, "invalid_mfa_token");
        var again = await server.PostAsync("login/passkey", null);
        var signedIn = await server.PostAsync("login", new { passkeyToken = again.Value("passkeyToken"), credential = passkey.Get(again.Json["publicKey"]!) });
        signedIn.AssertOk();

        // One passkey is excluded from the next.
        var next = await server.PostAsync("factors/passkeys/options", null, signedIn.Value("accessToken"));
        next.AssertOk();
        Assert.Single(next.Json["publicKey"]!["excludeCredentials"]!.AsArray());
    }

    [Fact]
    public async Task Factor_WhoseSecretIsLost_ProvesNobody_AndTheAccountIsNotOpenedWithoutIt()
    {
        await using var mongo = await MongoInstance.StartAsync();
        if (mongo is null)
        {
            Assert.Skip(MongoInstance.WhatIsMissing);
        }

        await using var server = new MongoServerOfFactors(mongo.Uri());
        await server.InitializeAsync();
        var ada = await server.ArmedAsync();
        await server.Services.GetRequiredService<FactorSecrets>().RemoveAllAsync(Cancel);
        var (mfaToken, methods) = await server.BeginAsync(ada.Person);
        Assert.Equal(["totp", "recovery_code"], methods);
        (await server.PostAsync("login", new { mfaToken, code = server.Totp(ada.Secret) })).AssertFailure(401, "invalid_mfa_code");
        (await server.PostAsync("login", new { mfaToken, code = ada.RecoveryCodes[0] })).AssertOk();
    }

    private sealed class MongoServerOfFactors(string uri) : FactorServer("MONGO_URI", uri);
}
