using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Identity.Tests.Kit;

namespace Identity.Tests.External;

/// <summary>The server with a SAML provider.</summary>
public static class SamlWorld
{
    private static readonly Lazy<(RSA Key, string CertificateFile, string KeyFile)> s_own = new(() =>
    {
        var key = QuickKeys.CreateRsa();
        using var certificate = new CertificateRequest("CN=identity", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(100));
        var folder = Directory.CreateTempSubdirectory("identity-saml-").FullName;
        var (certificateFile, keyFile) = (Path.Combine(folder, "saml.crt"), Path.Combine(folder, "saml.key"));
        File.WriteAllText(certificateFile, certificate.ExportCertificatePem());
        File.WriteAllText(keyFile, key.ExportPkcs8PrivateKeyPem());
        return (key, certificateFile, keyFile);
    });

    /// <summary>Our key, whose public half is in our metadata.</summary>
    public static RSA OwnKey => s_own.Value.Key;

    public static Dictionary<string, string> Settings(string provider, string authority, string metadata, params (string Name, string Value)[] more)
    {
        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["PUBLIC_URL"] = SamlIdp.PublicUrl };
        (string, string)[] all = [("Type", "saml"), ("DisplayName", "Example IdP"), ("Authority", authority), ("Metadata", metadata), ("CertificateFile", s_own.Value.CertificateFile), ("KeyFile", s_own.Value.KeyFile), .. more];
        foreach (var (name, value) in all)
        {
            settings[$"Federation:Providers:{provider}:{name}"] = value;
        }

        return settings;
    }

    public static Task<ExternalWorld> StartAsync(SamlIdp idp, DateTimeOffset at, params (string Name, string Value)[] more) => StartAsync(idp, at, clients: null, more);

    public static async Task<ExternalWorld> StartAsync(SamlIdp idp, DateTimeOffset at, string? clients, params (string Name, string Value)[] more)
    {
        var world = await ExternalWorld.StartAsync(at, Settings("idp", idp.EntityId, "http://idp.example.test/metadata", more), clients);
        world.Provider.On("GET /metadata", new StubAnswer(200, idp.Metadata(), "application/samlmetadata+xml"));
        return world;
    }

    /// <summary>Begins, and tells the request's ID.</summary>
    public static async Task<string> BeginAsync(Browser browser, string provider = "idp", string returnUrl = "/account")
    {
        var sent = await ExternalWorld.BeginAsync(browser, provider, returnUrl);
        return SamlIdp.Load(SamlIdp.Inflate(sent["SAMLRequest"])).DocumentElement!.GetAttribute("ID");
    }

    /// <summary>Brings an answer as browsers do: the form from another site without cookies, the next request with them. Where it leads.</summary>
    public static async Task<Uri> BringAsync(ExternalWorld world, Browser browser, string xml, string path = "/external/idp/acs")
    {
        using var bare = world.NewBrowser();
        using var post = new HttpRequestMessage(HttpMethod.Post, new Uri(world.Server.Url, path)) { Content = new FormUrlEncodedContent([new("SAMLResponse", Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(xml)))]) };
        using var answer = await bare.SendAsync(post);
        Assert.True(answer.StatusCode == HttpStatusCode.SeeOther, $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
        if (!answer.Headers.Location!.OriginalString.Contains("/continue?", StringComparison.Ordinal))
        {
            return answer.Headers.Location;
        }

        using var next = await browser.GetAsync(answer.Headers.Location.OriginalString);
        return next.Headers.Location!;
    }
}
