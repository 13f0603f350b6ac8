// Security catalogue, "SAML service provider": each line a forgery, and what is right beside it; single logout; key rollover.
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.Xml;
using System.Text;
using System.Xml;
using AngleSharp.Html.Parser;
using Identity.Tests.Kit;

namespace Identity.Tests.External;

/// <summary>Messages that somebody made up, changed or brought again.</summary>
public sealed class SamlForgeryTests
{
    private static readonly DateTimeOffset s_time = new(2026, 11, 22, 23, 3, 0, TimeSpan.Zero);

    private delegate string Forge(SamlIdp idp, string request);

    private static readonly Dictionary<string, (string Reason, Forge Forge)> s_forgeries = new(StringComparer.Ordinal)
    {
        ["nothing is signed"] = ("unsigned", (idp, request) => idp.Response(request, s_time)),
        ["the key is not the provider's, and in KeyInfo"] = ("signature", (idp, request) =>
        {
            using var other = QuickKeys.CreateRsa();
            return idp.Sign(idp.Response(request, s_time), key: other, change: signed =>
            {
                signed.KeyInfo = new KeyInfo();
                signed.KeyInfo.AddClause(new RSAKeyValue(other));
            });
        }
        ),
        ["the NameID was changed"] = ("signature", (idp, request) => idp.Sign(idp.Response(request, s_time)).Replace(">alice<", ">admin<", StringComparison.Ordinal)),
        ["an attribute was changed under a signature of the response"] = ("signature", (idp, request) => idp.Sign(idp.Response(request, s_time), assertion: false, response: true).Replace(">alice@", ">admin@", StringComparison.Ordinal)),
        ["a comment cuts the NameID"] = ("xml", (idp, request) => idp.Sign(idp.Response(request, s_time, "admin.evil")).Replace(">admin.evil<", ">admin<!---->.evil<", StringComparison.Ordinal)),
        ["a processing instruction cuts the NameID"] = ("xml", (idp, request) => idp.Sign(idp.Response(request, s_time, "admin.evil")).Replace(">admin.evil<", ">admin<?x?>.evil<", StringComparison.Ordinal)),
        ["an external entity"] = ("xml", (idp, request) => "<!DOCTYPE r [<!ENTITY x SYSTEM \"http://idp.example.test/xxe\">]>" + idp.Sign(idp.Response(request, s_time)).Replace(">alice<", ">&x;<", StringComparison.Ordinal)),
        ["entities that multiply"] = ("xml", (idp, request) => "<!DOCTYPE r [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;\">]>" + idp.Sign(idp.Response(request, s_time))),
        ["nested too deep"] = ("xml", (idp, request) => idp.Sign(idp.Response(request, s_time)).Replace("<samlp:Status>", "<samlp:Extensions>" + string.Concat(Enumerable.Repeat("<a>", 200)) + string.Concat(Enumerable.Repeat("</a>", 200)) + "</samlp:Extensions><samlp:Status>", StringComparison.Ordinal)),
        ["longer than a message is"] = ("xml", (idp, request) => idp.Sign(idp.Response(request, s_time)) + new string(' ', 300_000)),
        ["SHA-1 signature"] = ("sha1", (idp, request) => idp.Sign(idp.Response(request, s_time), method: SignedXml.XmlDsigRSASHA1Url)),
        ["SHA-1 digest"] = ("sha1", (idp, request) => idp.Sign(idp.Response(request, s_time), digest: SignedXml.XmlDsigSHA1Url)),
        ["HMAC with the certificate"] = ("alg", (idp, request) => idp.Sign(idp.Response(request, s_time)).Replace("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2000/09/xmldsig#hmac-sha1", StringComparison.Ordinal)),
        ["two references"] = ("reference", (idp, request) => idp.Sign(idp.Response(request, s_time), change: signed => signed.AddReference(new Reference("") { DigestMethod = SignedXml.XmlDsigSHA256Url }))),
        ["a reference to the whole document"] = ("reference", (idp, request) => idp.Sign(idp.Response(request, s_time), change: signed => ((Reference)signed.SignedInfo!.References[0]!).Uri = "")),
        ["an XPath transform"] = ("transform", (idp, request) => idp.Sign(idp.Response(request, s_time), change: signed => ((Reference)signed.SignedInfo!.References[0]!).AddTransform(XPath()))),
        ["the signature brings an object along"] = ("signature", (idp, request) => idp.Sign(idp.Response(request, s_time)).Replace("</Signature>", "<Object/></Signature>", StringComparison.Ordinal)),
        ["two signatures"] = ("xml", (idp, request) => idp.Sign(idp.Sign(idp.Response(request, s_time)))),
        ["another SignedInfo before the signed one"] = ("xml", (idp, request) => TwoInfos(idp.Sign(idp.Response(request, s_time)), before: true)),
        ["another SignedInfo after the signed one"] = ("xml", (idp, request) => TwoInfos(idp.Sign(idp.Response(request, s_time)), before: false)),
        ["a comment in the digest"] = ("xml", (idp, request) => idp.Sign(idp.Response(request, s_time)).Replace("<DigestValue>", "<DigestValue><!--AAAA-->", StringComparison.Ordinal)),
        ["256 KB of attributes"] = ("signature", (idp, request) => Fill(idp.Sign(idp.Response(request, s_time)), "<x xmlns=\"urn:x\"" + string.Concat(Enumerable.Range(0, 24_000).Select(i => string.Create(CultureInfo.InvariantCulture, $" a{i}=\"\""))) + "/>")),
        ["4,900 elements of as many name spaces"] = ("signature", (idp, request) => Fill(idp.Sign(idp.Response(request, s_time)), string.Concat(Enumerable.Range(0, 4900).Select(i => string.Create(CultureInfo.InvariantCulture, $"<n{i}:x xmlns:n{i}=\"urn:{i}\"/>"))))),
        ["more elements than a message has"] = ("xml", (idp, request) => Fill(idp.Sign(idp.Response(request, s_time)), string.Concat(Enumerable.Repeat("<x xmlns=\"urn:x\"/>", 5000)))),
        ["no reference"] = ("reference", (idp, request) => Cut(idp.Sign(idp.Response(request, s_time)), "<Reference ", "</Reference>")),
        ["a reference without URI"] = ("reference", (idp, request) => idp.Sign(idp.Response(request, s_time)).Replace(" URI=\"#_assertion1\"", "", StringComparison.Ordinal)),
        ["an XPointer"] = ("reference", (idp, request) => idp.Sign(idp.Response(request, s_time)).Replace("URI=\"#_assertion1\"", "URI=\"#xpointer(id('_assertion1'))\"", StringComparison.Ordinal)),
        ["a reference to another host"] = ("reference", (idp, request) => idp.Sign(idp.Response(request, s_time)).Replace("URI=\"#_assertion1\"", "URI=\"http://idp.example.test/xxe\"", StringComparison.Ordinal)),
        ["the assertion's signature, at the response"] = ("reference", (idp, request) => Move(idp.Sign(idp.Response(request, s_time)))),
        ["no transform"] = ("transform", (idp, request) => Cut(idp.Sign(idp.Response(request, s_time)), "<Transforms>", "</Transforms>")),
        ["an XSLT transform"] = ("transform", (idp, request) => Transform(idp, request, "http://www.w3.org/TR/1999/REC-xslt-19991116")),
        ["a base64 transform"] = ("transform", (idp, request) => Transform(idp, request, "http://www.w3.org/2000/09/xmldsig#base64")),
        ["a decryption transform"] = ("transform", (idp, request) => Transform(idp, request, "http://www.w3.org/2002/07/decrypt#XML")),
        ["C14N with comments as transform"] = ("transform", (idp, request) => Transform(idp, request, "http://www.w3.org/2001/10/xml-exc-c14n#WithComments")),
        ["C14N with comments"] = ("transform", (idp, request) => idp.Sign(idp.Response(request, s_time), change: signed => signed.SignedInfo!.CanonicalizationMethod = "http://www.w3.org/2001/10/xml-exc-c14n#WithComments")),
        ["HMAC-SHA256 with the certificate"] = ("alg", (idp, request) => SamlIdp.SignWith(idp.Response(request, s_time), "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", SignedXml.XmlDsigSHA256Url, HashAlgorithmName.SHA256, info => HMACSHA256.HashData(Encoding.ASCII.GetBytes(SamlIdp.CertificateOf(idp.Key)), info))),
        ["no signature algorithm"] = ("alg", (idp, request) => SamlIdp.SignWith(idp.Response(request, s_time), "", SignedXml.XmlDsigSHA256Url, HashAlgorithmName.SHA256, _ => [])),
        ["the algorithm none"] = ("alg", (idp, request) => SamlIdp.SignWith(idp.Response(request, s_time), "http://www.w3.org/2001/04/xmldsig-more#none", SignedXml.XmlDsigSHA256Url, HashAlgorithmName.SHA256, _ => [])),
        ["RSA-MD5"] = ("alg", (idp, request) => SamlIdp.SignWith(idp.Response(request, s_time), "http://www.w3.org/2001/04/xmldsig-more#rsa-md5", SignedXml.XmlDsigSHA256Url, HashAlgorithmName.SHA256, info => idp.Key.SignData(info, HashAlgorithmName.MD5, RSASignaturePadding.Pkcs1))),
        ["an MD5 digest"] = ("alg", (idp, request) => SamlIdp.SignWith(idp.Response(request, s_time), SignedXml.XmlDsigRSASHA256Url, "http://www.w3.org/2001/04/xmldsig-more#md5", HashAlgorithmName.MD5, info => idp.Key.SignData(info, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1))),
        ["an ECDSA signature under an RSA key's name"] = ("signature", (idp, request) =>
        {
            using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            return SamlIdp.SignWith(idp.Response(request, s_time), "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", SignedXml.XmlDsigSHA256Url, HashAlgorithmName.SHA256, info => other.SignData(info, HashAlgorithmName.SHA256));
        }
        ),
        ["a signature of zeros"] = ("signature", (idp, request) => SamlIdp.SignWith(idp.Response(request, s_time), SignedXml.XmlDsigRSASHA256Url, SignedXml.XmlDsigSHA256Url, HashAlgorithmName.SHA256, _ => new byte[256])),
        ["an empty signature"] = ("signature", (idp, request) => SamlIdp.SignWith(idp.Response(request, s_time), SignedXml.XmlDsigRSASHA256Url, SignedXml.XmlDsigSHA256Url, HashAlgorithmName.SHA256, _ => [])),
        ["a key to be fetched"] = ("signature", (idp, request) =>
        {
            using var other = QuickKeys.CreateRsa();
            return idp.Sign(idp.Response(request, s_time), key: other, change: signed =>
            {
                signed.KeyInfo = new KeyInfo();
                signed.KeyInfo.AddClause(new KeyInfoRetrievalMethod("http://idp.example.test/xxe"));
            });
        }
        ),
        ["a good signature of the response around a bad one of the assertion"] = ("signature", (idp, request) =>
        {
            using var other = QuickKeys.CreateRsa();
            return idp.Sign(idp.Sign(idp.Response(request, s_time), key: other), assertion: false, response: true);
        }
        ),
        ["two elements with one ID"] = ("ids", (idp, request) => idp.Sign(idp.Response(request, s_time)).Replace("<samlp:Status>", "<samlp:Extensions><x xmlns=\"urn:x\" ID=\"_assertion1\"/></samlp:Extensions><samlp:Status>", StringComparison.Ordinal)),
        ["another ID attribute of the same value"] = ("ids", (idp, request) => idp.Sign(idp.Response(request, s_time)).Replace("<samlp:Status>", "<samlp:Extensions><x xmlns=\"urn:x\" Id=\"_assertion1\"/></samlp:Extensions><samlp:Status>", StringComparison.Ordinal)),
        ["an assertion in Advice"] = ("assertion", (idp, request) => idp.Sign(idp.Response(request, s_time).Replace("<saml:AuthnStatement", "<saml:Advice><saml:Assertion ID=\"_advice\" Version=\"2.0\"/></saml:Advice><saml:AuthnStatement", StringComparison.Ordinal))),
        ["two assertions, both signed"] = ("assertion", (idp, request) =>
        {
            var (first, second) = (idp.Sign(idp.Response(request, s_time)), idp.Sign(idp.Response(request, s_time, "admin", "_assertion2")));
            return first.Replace("</samlp:Response>", SamlIdp.Find(SamlIdp.Load(second), "Assertion").OuterXml + "</samlp:Response>", StringComparison.Ordinal);
        }
        ),
        ["no assertion"] = ("assertion", (idp, request) => Cut(idp.Response(request, s_time), "<saml:Assertion ", "</saml:Assertion>")),
        ["the assertion alone"] = ("xml", (idp, request) => SamlIdp.Find(SamlIdp.Load(idp.Sign(idp.Response(request, s_time))), "Assertion").OuterXml),
        ["SAML 1.1"] = ("xml", (idp, request) => First(idp.Sign(idp.Response(request, s_time)), "Version=\"2.0\"", "Version=\"1.1\"")),
        ["an assertion of SAML 1.1"] = ("assertion", (idp, request) => idp.Sign(Last(idp.Response(request, s_time), "Version=\"2.0\"", "Version=\"1.1\""))),
        ["two subjects"] = ("xml", (idp, request) => idp.Sign(idp.Response(request, s_time).Replace("<saml:Conditions", "<saml:Subject><saml:NameID>admin</saml:NameID></saml:Subject><saml:Conditions", StringComparison.Ordinal))),
        ["two NameIDs"] = ("xml", (idp, request) => idp.Sign(idp.Response(request, s_time).Replace("<saml:NameID", "<saml:NameID>admin</saml:NameID><saml:NameID", StringComparison.Ordinal))),
        ["an element in the NameID"] = ("nameid", (idp, request) => idp.Sign(idp.Response(request, s_time).Replace(">alice</saml:NameID>", ">ali<x xmlns=\"urn:x\"/>ce</saml:NameID>", StringComparison.Ordinal))),
        ["no NameID"] = ("subject", (idp, request) => idp.Sign(Cut(idp.Response(request, s_time, id: "_none"), "<saml:NameID", "</saml:NameID>"))),
        ["an empty NameID"] = ("subject", (idp, request) => idp.Sign(idp.Response(request, s_time, id: "_empty").Replace(">alice</saml:NameID>", "> </saml:NameID>", StringComparison.Ordinal))),
        ["a NameID of two lines"] = ("subject", (idp, request) => idp.Sign(idp.Response(request, s_time, id: "_lines").Replace(">alice</saml:NameID>", ">alice&#10;admin</saml:NameID>", StringComparison.Ordinal))),
        ["bearer without an end"] = ("not_on_or_after", (idp, request) => idp.Sign(idp.Response(request, s_time).Replace($" NotOnOrAfter=\"2026-11-22T23:08:00Z\" Recipient", " Recipient", StringComparison.Ordinal))),
        ["no time where a time belongs"] = ("time", (idp, request) => idp.Sign(idp.Response(request, s_time).Replace("NotBefore=\"2026-11-22T23:02:00Z\"", "NotBefore=\"yesterday\"", StringComparison.Ordinal))),
        ["signed in to come"] = ("authn_statement", (idp, request) => idp.Sign(idp.Response(request, s_time).Replace("AuthnInstant=\"2026-11-22T23:03", "AuthnInstant=\"2026-11-22T23:33", StringComparison.Ordinal))),
        ["a day old, and good for ever"] = ("time", (idp, request) => idp.Sign(idp.Response(request, s_time.AddHours(-25)).Replace("2026-11-21T22:08:00Z", "9999-12-31T23:59:59Z", StringComparison.Ordinal))),
        ["another Destination"] = ("destination", (idp, request) => idp.Sign(idp.Response(request, s_time).Replace($"Destination=\"{SamlIdp.Acs}\"", "Destination=\"https://other.example.test/acs\"", StringComparison.Ordinal))),
        ["a signed response without Destination"] = ("destination", (idp, request) => idp.Sign(idp.Response(request, s_time).Replace($" Destination=\"{SamlIdp.Acs}\"", "", StringComparison.Ordinal), response: true)),
        ["another Recipient"] = ("recipient", (idp, request) => idp.Sign(idp.Response(request, s_time).Replace($"Recipient=\"{SamlIdp.Acs}\"", "Recipient=\"https://other.example.test/acs\"", StringComparison.Ordinal))),
        ["another Audience"] = ("audience", (idp, request) => idp.Sign(idp.Response(request, s_time).Replace($"<saml:Audience>{SamlIdp.Self}", "<saml:Audience>https://other.example.test", StringComparison.Ordinal))),
        ["no Audience"] = ("audience", (idp, request) => idp.Sign(idp.Response(request, s_time).Replace($"<saml:AudienceRestriction><saml:Audience>{SamlIdp.Self}</saml:Audience></saml:AudienceRestriction>", "", StringComparison.Ordinal))),
        ["another Issuer of the assertion"] = ("iss", (idp, request) => idp.Sign(Last(idp.Response(request, s_time), $"<saml:Issuer>{idp.EntityId}", "<saml:Issuer>https://other.example.test"))),
        ["another Issuer of the response"] = ("iss", (idp, request) => idp.Sign(First(idp.Response(request, s_time), $"<saml:Issuer>{idp.EntityId}", "<saml:Issuer>https://other.example.test"))),
        ["no bearer confirmation"] = ("confirmation", (idp, request) => idp.Sign(idp.Response(request, s_time).Replace("cm:bearer", "cm:holder-of-key", StringComparison.Ordinal))),
        ["expired"] = ("not_on_or_after", (idp, request) => idp.Sign(idp.Response(request, s_time.AddMinutes(-11)))),
        ["not valid yet"] = ("time", (idp, request) => idp.Sign(idp.Response(request, s_time.AddMinutes(12)))),
        ["NotBefore to come"] = ("not_before", (idp, request) => idp.Sign(idp.Response(request, s_time).Replace("NotBefore=\"2026-11-22T23:02", "NotBefore=\"2026-11-22T23:22", StringComparison.Ordinal))),
        ["the provider's session has ended"] = ("session_expired", (idp, request) => idp.Sign(idp.Response(request, s_time).Replace("SessionIndex=", "SessionNotOnOrAfter=\"2026-11-22T22:50:00Z\" SessionIndex=", StringComparison.Ordinal))),
        ["an unknown condition"] = ("conditions", (idp, request) => idp.Sign(idp.Response(request, s_time).Replace("</saml:Conditions>", "<x:Only xmlns:x=\"urn:x\"/></saml:Conditions>", StringComparison.Ordinal))),
        ["InResponseTo of nobody"] = ("state", (idp, _) => idp.Sign(idp.Response("_unknown", s_time))),
        ["InResponseTo of the response only"] = ("in_response_to", (idp, request) => idp.Sign(Last(idp.Response(request, s_time), $" InResponseTo=\"{request}\"", ""))),
        ["unasked"] = ("unsolicited", (idp, _) => idp.Sign(idp.Response(null, s_time))),
        ["a failure"] = ("AuthnFailed", (idp, request) => idp.Sign(idp.Response(request, s_time).Replace("<samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/>", "<samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Responder\"><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:AuthnFailed\"/></samlp:StatusCode>", StringComparison.Ordinal))),
        ["XSW1: another response around the signed one, in its signature"] = ("", (idp, request) => Wrap(idp, request, 1)),
        ["XSW2: another response with the signed one before its signature"] = ("", (idp, request) => Wrap(idp, request, 2)),
        ["XSW3: another assertion before the signed one"] = ("", (idp, request) => Wrap(idp, request, 3)),
        ["XSW4: another assertion around the signed one"] = ("", (idp, request) => Wrap(idp, request, 4)),
        ["XSW5: the signature in another assertion, the signed one after it"] = ("", (idp, request) => Wrap(idp, request, 5)),
        ["XSW6: the signed assertion in its signature, in another assertion"] = ("", (idp, request) => Wrap(idp, request, 6)),
        ["XSW7: another assertion in Extensions, with one ID"] = ("", (idp, request) => Wrap(idp, request, 7)),
        ["XSW8: the signed assertion in an Object of the signature"] = ("", (idp, request) => Wrap(idp, request, 8)),
    };

    [Fact]
    public async Task Forgery_WhateverItIs_SignsNobodyInAndGivesAPage()
    {
        using var idp = new SamlIdp();
        await using var world = await SamlWorld.StartAsync(idp, s_time);
        var failures = new List<string>();
        foreach (var (name, (reason, forge)) in s_forgeries)
        {
            using var browser = world.NewBrowser();
            var before = world.Logs.Lines.Count(line => line.Contains("ExternalFailures", StringComparison.Ordinal));
            var location = await SamlWorld.BringAsync(world, browser, forge(idp, await SamlWorld.BeginAsync(browser)));
            var told = world.Logs.Lines.Where(line => line.Contains("ExternalFailures", StringComparison.Ordinal)).Skip(before).LastOrDefault() ?? "";
            if (!location.OriginalString.StartsWith("/external/problem?", StringComparison.Ordinal) || !told.Contains($"({reason}", StringComparison.Ordinal) || await ExternalWorld.PersonAsync(browser) is not null)
            {
                failures.Add($"{name}: {location} {told}");
            }
        }

        Assert.Empty(failures);
        Assert.DoesNotContain(world.Provider.Requests, request => request.Path == "/xxe");

        // What is right signs in, so that none of these failed for another reason.
        using var good = world.NewBrowser();
        Assert.Equal("/account", (await SamlWorld.BringAsync(world, good, idp.Sign(idp.Response(await SamlWorld.BeginAsync(good), s_time)))).OriginalString);
        Assert.Equal("alice@idp.example.test", await ExternalWorld.PersonAsync(good));
    }

    [Theory]
    [InlineData(true, true, false)]
    [InlineData(true, false, false)]
    [InlineData(false, true, true)]
    public async Task EncryptedAssertion_UnderASignatureInsideOrAround_SignsIn(bool assertion, bool gcm, bool response)
    {
        using var idp = new SamlIdp();
        await using var world = await SamlWorld.StartAsync(idp, s_time);
        using var browser = world.NewBrowser();
        var xml = idp.Response(await SamlWorld.BeginAsync(browser), s_time);
        xml = SamlIdp.Encrypt(assertion ? idp.Sign(xml) : xml, "Assertion", "EncryptedAssertion", SamlWorld.OwnKey, gcm);
        xml = response ? idp.Sign(xml, assertion: false, response: true) : xml;
        Assert.Equal("/account", (await SamlWorld.BringAsync(world, browser, xml)).OriginalString);
        Assert.Equal("alice@idp.example.test", await ExternalWorld.PersonAsync(browser));
    }

    [Fact]
    public async Task EncryptedNameId_UnderASignatureOfTheEncryptedForm_SignsIn_AndAnUnsignedEncryptedAssertionDoesNot()
    {
        using var idp = new SamlIdp();
        await using var world = await SamlWorld.StartAsync(idp, s_time);
        using var browser = world.NewBrowser();
        var xml = idp.Sign(SamlIdp.Encrypt(idp.Response(await SamlWorld.BeginAsync(browser), s_time), "NameID", "EncryptedID", SamlWorld.OwnKey));
        Assert.Equal("/account", (await SamlWorld.BringAsync(world, browser, xml)).OriginalString);

        using var other = world.NewBrowser();
        xml = SamlIdp.Encrypt(idp.Response(await SamlWorld.BeginAsync(other), s_time, id: "_assertion2"), "Assertion", "EncryptedAssertion", SamlWorld.OwnKey);
        Assert.Equal("Refused", await ExternalWorld.ProblemAsync(other, await SamlWorld.BringAsync(world, other, xml)));
        Assert.True(world.LoggedReason("unsigned"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Rsa15AndSha1_OnlyWhereSwitchedOn_AreTaken(bool allowed)
    {
        using var idp = new SamlIdp();
        await using var world = await SamlWorld.StartAsync(idp, s_time, ("AllowSha1", allowed.ToString()), ("AllowRsa15", allowed.ToString()));
        using var browser = world.NewBrowser();
        var xml = idp.Sign(idp.Response(await SamlWorld.BeginAsync(browser), s_time), method: SignedXml.XmlDsigRSASHA1Url, digest: SignedXml.XmlDsigSHA1Url);
        var location = await SamlWorld.BringAsync(world, browser, SamlIdp.Encrypt(xml, "Assertion", "EncryptedAssertion", SamlWorld.OwnKey, gcm: false, oaep: false));
        Assert.Equal(allowed, location.OriginalString == "/account");
    }

    [Fact]
    public async Task Assertion_WhenBroughtByFiftyAtOnce_SignsInOnce()
    {
        using var idp = new SamlIdp();
        await using var world = await SamlWorld.StartAsync(idp, s_time, ("AllowIdpInitiated", "true"));

        // Unasked, so that only the assertion's own mark decides.
        var xml = idp.Sign(idp.Response(null, s_time));
        var locations = await Task.WhenAll(Enumerable.Range(0, 50).Select(async _ =>
        {
            using var browser = world.NewBrowser();
            return await SamlWorld.BringAsync(world, browser, xml);
        }));
        Assert.Equal(1, locations.Count(location => location.OriginalString == "/account"));

        // And of one request: the first answer is the only one.
        using var asking = world.NewBrowser();
        var request = await SamlWorld.BeginAsync(asking);
        locations = await Task.WhenAll(Enumerable.Range(0, 50).Select(number => SamlWorld.BringAsync(world, asking, idp.Sign(idp.Response(request, s_time, id: "_many" + number.ToString(CultureInfo.InvariantCulture))))));
        Assert.Equal(1, locations.Count(location => location.OriginalString == "/account"));
    }

    [Fact]
    public async Task Answer_InAnotherBrowserThanTheOneThatAsked_SignsNobodyIn()
    {
        using var idp = new SamlIdp();
        await using var world = await SamlWorld.StartAsync(idp, s_time);
        using var asking = world.NewBrowser();
        using var other = world.NewBrowser();
        var location = await SamlWorld.BringAsync(world, other, idp.Sign(idp.Response(await SamlWorld.BeginAsync(asking), s_time)));
        Assert.Equal("Expired", await ExternalWorld.ProblemAsync(other, location));
        Assert.True(world.LoggedReason("browser"));
        Assert.Null(await ExternalWorld.PersonAsync(other));
    }

    [Fact]
    public async Task Key_WhenTheProviderChangesIt_IsFetchedAtOnceAndTheOldOneIsRefused()
    {
        using var idp = new SamlIdp();
        using var next = QuickKeys.CreateRsa();
        await using var world = await SamlWorld.StartAsync(idp, s_time);
        using var browser = world.NewBrowser();
        var request = await SamlWorld.BeginAsync(browser);
        world.Provider.On("GET /metadata", new StubAnswer(200, idp.Metadata(next), "application/samlmetadata+xml"));
        world.Time.Advance(TimeSpan.FromSeconds(11));
        Assert.Equal("/account", (await SamlWorld.BringAsync(world, browser, idp.Sign(idp.Response(request, s_time), key: next))).OriginalString);

        using var late = world.NewBrowser();
        var old = idp.Sign(idp.Response(await SamlWorld.BeginAsync(late), s_time, id: "_assertion2"));
        Assert.Equal("Refused", await ExternalWorld.ProblemAsync(late, await SamlWorld.BringAsync(world, late, old)));
    }

    [Fact]
    public async Task AuthnRequest_ByRedirectAndByPost_IsSignedWithTheKeyOfOurMetadata()
    {
        using var idp = new SamlIdp();
        await using var world = await SamlWorld.StartAsync(idp, s_time, ("NameIdFormat", "persistent"));
        using var browser = world.NewBrowser();
        using var sent = await browser.GetAsync("/external/idp?returnUrl=/account");
        var query = sent.Headers.Location!.Query[1..];
        var at = query.IndexOf("&Signature=", StringComparison.Ordinal);
        Assert.True(SamlWorld.OwnKey.VerifyData(Encoding.UTF8.GetBytes(query[..at]), Convert.FromBase64String(Uri.UnescapeDataString(query[(at + 11)..])), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1));
        Assert.DoesNotContain("RelayState", query, StringComparison.Ordinal);
        using var metadata = await browser.GetAsync("/external/idp/metadata");
        Assert.Equal("application/samlmetadata+xml", metadata.Content.Headers.ContentType!.MediaType);
        var ours = SamlIdp.Load(await metadata.Content.ReadAsStringAsync());
        Assert.Equal(SamlIdp.Self, ours.DocumentElement!.GetAttribute("entityID"));
        Assert.Equal(SamlIdp.Acs, SamlIdp.Find(ours, "AssertionConsumerService").GetAttribute("Location"));

        await using var posting = await SamlWorld.StartAsync(idp, s_time, ("RequestBinding", "post"));
        using var other = posting.NewBrowser();
        using var page = await other.GetAsync("/external/idp?returnUrl=/account");
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        Assert.Contains("default-src 'none'", page.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        var form = new HtmlParser().ParseDocument(await page.Content.ReadAsStringAsync()).QuerySelector("form#form-post")!;
        Assert.Equal("http://idp.example.test/sso-post", form.GetAttribute("action"));
        var request = SamlIdp.Load(Encoding.UTF8.GetString(Convert.FromBase64String(form.QuerySelector("input[name=SAMLRequest]")!.GetAttribute("value")!)));
        var signed = new SignedXml(request.DocumentElement!);
        signed.LoadXml(SamlIdp.Find(request, "Signature"));
        Assert.True(signed.CheckSignature(SamlWorld.OwnKey));
    }

    // Bindings §3.4.4.1: what is signed is the query as it came. What reads names otherwise than the verifier does would read something else.
    [Fact]
    public async Task LogoutRequest_WithAParameterTwiceOrANameThatIsEncoded_EndsNothing()
    {
        using var idp = new SamlIdp();
        await using var world = await SamlWorld.StartAsync(idp, s_time);
        using var browser = world.NewBrowser();
        Assert.Equal("/account", (await SamlWorld.BringAsync(world, browser, idp.Sign(idp.Response(await SamlWorld.BeginAsync(browser), s_time)))).OriginalString);
        var unsigned = idp.SignQuery("SAMLRequest", idp.LogoutRequest(s_time)).Split("&SigAlg")[0];
        var algorithm = "&SigAlg=" + Uri.EscapeDataString("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256");
        string Signature(string query) => "&Signature=" + Uri.EscapeDataString(Convert.ToBase64String(idp.Key.SignData(Encoding.UTF8.GetBytes(query), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)));
        var sound = unsigned + algorithm + Signature(unsigned + algorithm);
        var withState = unsigned + "&RelayState=a" + algorithm;
        withState += Signature(withState);
        var evil = idp.SignQuery("SAMLRequest", idp.LogoutRequest(s_time, "bob")).Split("&SigAlg")[0];
        Dictionary<string, string> queries = new(StringComparer.Ordinal)
        {
            ["SAMLRequest twice"] = sound + "&" + evil,
            ["SAMLRequest twice, the other first"] = evil + "&" + sound,
            ["the same SAMLRequest twice"] = sound + "&" + unsigned,
            ["RelayState twice"] = withState + "&RelayState=b",
            ["SigAlg twice"] = sound + algorithm,
            ["Signature twice"] = sound + "&Signature=AAAA",
            ["Signature twice, the other first"] = "Signature=AAAA&" + sound,
            ["an encoded SAMLRequest"] = sound.Replace("SAMLRequest", "SAML%52equest", StringComparison.Ordinal),
            ["an encoded SAMLRequest beside the signed one"] = sound + "&" + evil.Replace("SAMLRequest", "SAML%52equest", StringComparison.Ordinal),
            ["an encoded SigAlg"] = sound.Replace("SigAlg", "Sig%41lg", StringComparison.Ordinal),
            ["an encoded SigAlg beside the signed one"] = sound + "&Sig%41lg=x",
            ["an encoded Signature"] = sound.Replace("Signature", "%53ignature", StringComparison.Ordinal),
            ["an encoded RelayState beside what was signed"] = sound + "&Relay%53tate=evil",
            ["RelayState in other capitals"] = sound + "&relaystate=evil",
        };
        foreach (var (name, query) in queries)
        {
            // To the byte: Uri would decode the names.
            using var asked = new HttpRequestMessage(HttpMethod.Get, new Uri(world.Server.Url + "external/idp/slo?" + query, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }));
            using var refused = await browser.SendAsync(asked);
            Assert.Equal((name, true), (name, refused.Headers.Location!.OriginalString.StartsWith("/external/problem?problem=Refused", StringComparison.Ordinal)));
            Assert.NotNull(await ExternalWorld.PersonAsync(browser));
        }

        using var ended = await browser.GetAsync("/external/idp/slo?" + withState);
        Assert.Equal("a", Node.Query(ended.Headers.Location)["RelayState"]);
        Assert.Null(await ExternalWorld.PersonAsync(browser));
    }

    // Metadata §2.4.1.1: a key without use is for both.
    [Fact]
    public async Task Key_WhoseUseIsNotTold_VerifiesAnswers_AndNoneGoWithoutIt()
    {
        using var idp = new SamlIdp();
        using var stranger = QuickKeys.CreateRsa();
        await using var world = await SamlWorld.StartAsync(idp, s_time);
        world.Provider.On("GET /metadata", new StubAnswer(200, idp.Metadata().Replace(" use=\"signing\"", "", StringComparison.Ordinal), "application/samlmetadata+xml"));
        using var browser = world.NewBrowser();
        foreach (Forge forge in (Forge[])[(_, request) => idp.Response(request, s_time), (_, request) => idp.Sign(idp.Response(request, s_time), key: stranger)])
        {
            Assert.Equal("Refused", await ExternalWorld.ProblemAsync(browser, await SamlWorld.BringAsync(world, browser, forge(idp, await SamlWorld.BeginAsync(browser)))));
            Assert.Null(await ExternalWorld.PersonAsync(browser));
        }

        Assert.Equal("/account", (await SamlWorld.BringAsync(world, browser, idp.Sign(idp.Response(await SamlWorld.BeginAsync(browser), s_time)))).OriginalString);
    }

    [Fact]
    public async Task LogoutRequest_WhenSigned_EndsTheSessionAndIsAnswered_AndOtherwiseIsNot()
    {
        using var idp = new SamlIdp();
        await using var world = await SamlWorld.StartAsync(idp, s_time);
        using var browser = world.NewBrowser();
        Assert.Equal("/account", (await SamlWorld.BringAsync(world, browser, idp.Sign(idp.Response(await SamlWorld.BeginAsync(browser), s_time)))).OriginalString);
        using var stranger = QuickKeys.CreateRsa();
        var unsigned = idp.SignQuery("SAMLRequest", idp.LogoutRequest(s_time)).Split("&SigAlg")[0];
        foreach (var query in (string[])[unsigned, idp.SignQuery("SAMLRequest", idp.LogoutRequest(s_time), stranger), idp.SignQuery("SAMLRequest", idp.LogoutRequest(s_time.AddHours(-1)))])
        {
            using var refused = await browser.GetAsync("/external/idp/slo?" + query);
            Assert.Equal("Refused", await ExternalWorld.ProblemAsync(browser, refused.Headers.Location!));
            Assert.NotNull(await ExternalWorld.PersonAsync(browser));
        }

        // Somebody else's, and another session of theirs.
        foreach (var (person, index) in ((string, string)[])[("bob", "_session1"), ("alice", "_session2")])
        {
            using var nobody = await browser.GetAsync("/external/idp/slo?" + idp.SignQuery("SAMLRequest", idp.LogoutRequest(s_time, person, index, "_" + person + index)));
            Assert.NotNull(await ExternalWorld.PersonAsync(browser));
        }

        using var ended = await browser.GetAsync("/external/idp/slo?" + idp.SignQuery("SAMLRequest", idp.LogoutRequest(s_time)));
        Assert.StartsWith("http://idp.example.test/slo?SAMLResponse=", ended.Headers.Location!.OriginalString, StringComparison.Ordinal);
        Assert.Contains("&Signature=", ended.Headers.Location.Query, StringComparison.Ordinal);
        var answer = SamlIdp.Load(SamlIdp.Inflate(Node.Query(ended.Headers.Location)["SAMLResponse"])).DocumentElement!;
        Assert.Equal("_logout1", answer.GetAttribute("InResponseTo"));
        Assert.Contains("status:Success", answer.OuterXml, StringComparison.Ordinal);
        Assert.Null(await ExternalWorld.PersonAsync(browser));

        using var again = await browser.GetAsync("/external/idp/slo?" + idp.SignQuery("SAMLRequest", idp.LogoutRequest(s_time)));
        Assert.Equal("Expired", await ExternalWorld.ProblemAsync(browser, again.Headers.Location!));
    }

    private static XmlDsigXPathTransform XPath()
    {
        var transform = new XmlDsigXPathTransform();
        transform.LoadInnerXml(SamlIdp.Load("<XPath xmlns=\"http://www.w3.org/2000/09/xmldsig#\">true()</XPath>").SelectNodes("/*")!);
        return transform;
    }

    private static string Cut(string text, string from, string to)
    {
        var at = text.IndexOf(from, StringComparison.Ordinal);
        var end = text.IndexOf(to, at, StringComparison.Ordinal) + to.Length;
        return text[..at] + text[end..];
    }

    private static string Transform(SamlIdp idp, string request, string algorithm) =>
        Last(idp.Sign(idp.Response(request, s_time)), "<Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"", $"<Transform Algorithm=\"{algorithm}\"");

    private static string Move(string xml)
    {
        var document = SamlIdp.Load(xml);
        var signature = SamlIdp.Find(document, "Signature");
        document.DocumentElement!.InsertAfter(signature.ParentNode!.RemoveChild(signature), document.DocumentElement.FirstChild);
        return document.OuterXml;
    }

    private static string First(string text, string old, string with)
    {
        var at = text.IndexOf(old, StringComparison.Ordinal);
        return text[..at] + with + text[(at + old.Length)..];
    }

    private static string Last(string text, string old, string with)
    {
        var at = text.LastIndexOf(old, StringComparison.Ordinal);
        return text[..at] + with + text[(at + old.Length)..];
    }

    // "On Breaking SAML: Be Whoever You Want to Be" (Somorovsky et al., 2012), as SAML Raider numbers them.
    // In what the signature covers, and would have to be made canonical.
    private static string Fill(string xml, string more) => First(xml, "<saml:AttributeValue>", "<saml:AttributeValue>" + more);

    private static string TwoInfos(string xml, bool before)
    {
        var (start, end) = (xml.IndexOf("<SignedInfo", StringComparison.Ordinal), xml.IndexOf("</SignedInfo>", StringComparison.Ordinal) + "</SignedInfo>".Length);
        var info = xml[start..end];
        var digest = info.IndexOf("<DigestValue>", StringComparison.Ordinal) + "<DigestValue>".Length;
        var other = info[..digest] + "AAAA" + info[(digest + 4)..];
        return xml[..start] + (before ? other + info : info + other) + xml[end..];
    }

    private static string Wrap(SamlIdp idp, string request, int variant)
    {
        var isResponse = variant <= 2;
        var document = SamlIdp.Load(idp.Sign(idp.Response(request, s_time), assertion: !isResponse, response: isResponse));
        var original = isResponse ? document.DocumentElement! : SamlIdp.Find(document, "Assertion");
        var evil = (XmlElement)original.CloneNode(true);
        evil.RemoveChild(evil.ChildNodes.OfType<XmlElement>().First(child => child.LocalName == "Signature"));
        evil.InnerXml = evil.InnerXml.Replace(">alice", ">admin", StringComparison.Ordinal);
        if (variant != 7)
        {
            evil.SetAttribute("ID", "_evil");
        }

        var signature = (XmlElement)original.ChildNodes.OfType<XmlElement>().First(child => child.LocalName == "Signature");
        if (isResponse)
        {
            var copy = (XmlElement)original.CloneNode(true);
            copy.RemoveChild(copy.ChildNodes.OfType<XmlElement>().First(child => child.LocalName == "Signature"));
            var outside = (XmlElement)signature.CloneNode(true);
            document.ReplaceChild(evil, original);
            evil.InsertAfter(outside, evil.FirstChild);
            if (variant == 1)
            {
                outside.AppendChild(copy);
            }
            else
            {
                evil.InsertBefore(copy, outside);
            }

            return document.OuterXml;
        }

        var root = document.DocumentElement!;
        switch (variant)
        {
            case 3:
                root.InsertBefore(evil, original);
                break;
            case 4:
                root.ReplaceChild(evil, original);
                evil.AppendChild(original);
                break;
            case 5:
                original.RemoveChild(signature);
                evil.InsertAfter(signature, evil.FirstChild);
                root.InsertBefore(evil, original);
                break;
            case 6:
                root.ReplaceChild(evil, original);
                original.RemoveChild(signature);
                evil.InsertAfter(signature, evil.FirstChild);
                signature.AppendChild(original);
                break;
            case 7:
                var extensions = document.CreateElement("samlp", "Extensions", "urn:oasis:names:tc:SAML:2.0:protocol");
                extensions.AppendChild(evil);
                root.InsertBefore(extensions, original);
                break;
            default:
                root.ReplaceChild(evil, original);
                original.RemoveChild(signature);
                evil.InsertAfter(signature, evil.FirstChild);
                signature.AppendChild(document.CreateElement("Object", "http://www.w3.org/2000/09/xmldsig#"))!.AppendChild(original);
                break;
        }

        return document.OuterXml;
    }
}
