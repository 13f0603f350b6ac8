// SAML 2.0 Core §2 and §3.4, Profiles §4.1.4 (Web Browser SSO): an answer to a sign-in is believed when all of this holds.
using System.Security.Cryptography;
using System.Xml;

namespace Identity.Server.External.Saml;

/// <summary>Core §2.2.3.</summary>
internal sealed record SamlNameId(string Value, string? Format, string? NameQualifier, string? SPNameQualifier);

/// <summary>What a verified assertion says.</summary>
internal sealed record SamlAssertion(
    string Id,
    SamlNameId? NameId,
    DateTimeOffset AuthenticatedAt,
    string? SessionIndex,
    DateTimeOffset? SessionEndsAt,
    string? AuthnContext,
    DateTimeOffset ExpiresAt,
    IReadOnlyDictionary<string, IReadOnlyList<string>> Attributes);

/// <summary>Validates answers to sign-ins.</summary>
internal sealed class SamlResponses(string name, ProviderOptions options, SamlServiceProvider self, SamlSignatures signatures, SamlEncryption encryption, TimeProvider timeProvider)
{
    // However long a provider lets it be brought: it has to be remembered for as long, so that it is brought once.
    private static readonly TimeSpan Longest = TimeSpan.FromDays(1);

    public TimeSpan Skew => options.ClockSkew ?? TimeSpan.FromMinutes(5);

    /// <summary>The root of a message that may be an answer to a sign-in.</summary>
    public static XmlElement Read(string base64)
    {
        var root = SamlXml.Read(SamlXml.FromBase64(base64, Refused), Refused).DocumentElement!;
        return SamlXml.Is(root, "Response", SamlNames.Protocol) && root.GetAttribute("Version") == "2.0" ? root : throw Refused("xml", "the message is no SAML 2.0 Response");
    }

    /// <param name="response">From <see cref="Read"/>.</param>
    /// <param name="request">The id of the request that it answers; null: the provider sent it unasked.</param>
    /// <param name="keys">The provider's.</param>
    /// <exception cref="ExternalRefusal">It is not to be believed, or says that nobody was signed in.</exception>
    public SamlAssertion Validate(XmlElement response, string? request, IReadOnlyList<AsymmetricAlgorithm> keys)
    {
        // A signature on the whole covers what is encrypted, so it comes before anything is decrypted.
        var isSigned = signatures.Verify(response, keys);
        if (SamlXml.Child(response, "Issuer", SamlNames.Assertion, Refused) is { } issuer)
        {
            CheckIssuer(issuer);
        }

        var destination = SamlXml.Attribute(response, "Destination");
        if (destination is null ? isSigned : destination != self.ConsumerUrl)
        {
            throw Refused("destination", "the message was sent to another address than ours");
        }

        if (SamlXml.Attribute(response, "InResponseTo") != request)
        {
            throw Refused("in_response_to", "the message answers another request");
        }

        CheckStatus(response);
        var assertion = FindAssertion(response);
        if (SamlXml.Is(assertion, "EncryptedAssertion", SamlNames.Assertion))
        {
            assertion = encryption.Decrypt(assertion);
            if (!SamlXml.Is(assertion, "Assertion", SamlNames.Assertion) || Count(assertion) != 0)
            {
                throw Refused("assertion", "what is encrypted is no assertion, or more than one");
            }
        }

        // Both are looked at: a bad signature inside a good one is a bad sign.
        if (!signatures.Verify(assertion, keys) && !isSigned)
        {
            throw Refused("unsigned", "neither the response nor the assertion is signed");
        }

        return ReadAssertion(assertion, request);
    }

    private static XmlElement FindAssertion(XmlElement response)
    {
        XmlElement[] found = [.. SamlXml.Children(response, "Assertion", SamlNames.Assertion), .. SamlXml.Children(response, "EncryptedAssertion", SamlNames.Assertion)];
        return found is [var only] && Count(response) == 1 ? only : throw Refused("assertion", "there is not exactly one assertion, right in the response");
    }

    // Everywhere below, by whatever name space: a wrapped one has to be somewhere.
    private static int Count(XmlElement element) => element.SelectNodes(".//*[local-name()='Assertion' or local-name()='EncryptedAssertion']")!.Count + element.SelectNodes(".//*[local-name()='Response']")!.Count;

    private SamlAssertion ReadAssertion(XmlElement assertion, string? request)
    {
        var now = timeProvider.GetUtcNow();
        if (assertion.GetAttribute("Version") != "2.0" || SamlXml.Attribute(assertion, "ID") is not { Length: > 0 and <= 500 } id)
        {
            throw Refused("assertion", "the assertion is no SAML 2.0 assertion, or has no ID");
        }

        CheckIssuer(Required(assertion, "Issuer"));
        if (SamlXml.Time(assertion, "IssueInstant", Refused) is not { } issued || issued > now + Skew || issued + Longest <= now)
        {
            throw Refused("time", "the assertion is of the future, or more than a day old");
        }

        CheckConditions(Required(assertion, "Conditions"), now);
        var subject = Required(assertion, "Subject");
        var (until, latest) = (CheckConfirmation(subject, request, now), issued + Longest);
        var statements = SamlXml.Children(assertion, "AuthnStatement", SamlNames.Assertion);
        if (statements is not [var statement] || SamlXml.Time(statement, "AuthnInstant", Refused) is not { } authenticated || authenticated > now + Skew)
        {
            throw Refused("authn_statement", "the assertion does not say when the person signed in, once, and not in the future");
        }

        var ends = SamlXml.Time(statement, "SessionNotOnOrAfter", Refused);
        if (ends <= now - Skew)
        {
            throw Refused("session_expired", "the provider's session has ended (SessionNotOnOrAfter)");
        }

        var context = SamlXml.Child(statement, "AuthnContext", SamlNames.Assertion, Refused) is { } told ? SamlXml.Child(told, "AuthnContextClassRef", SamlNames.Assertion, Refused)?.InnerText.Trim() : null;
        return new SamlAssertion(id, NameId(subject), authenticated, SamlXml.Attribute(statement, "SessionIndex"), ends, context, until < latest ? until : latest, Attributes(assertion));
    }

    private void CheckConditions(XmlElement conditions, DateTimeOffset now)
    {
        if (SamlXml.Time(conditions, "NotBefore", Refused) is { } from && from > now + Skew)
        {
            throw Refused("not_before", "the assertion is not valid yet; compare the clocks, or see ClockSkew");
        }

        if (SamlXml.Time(conditions, "NotOnOrAfter", Refused) is { } until && until <= now - Skew)
        {
            throw Refused("not_on_or_after", "the assertion has expired; compare the clocks, or see ClockSkew");
        }

        var restrictions = SamlXml.Children(conditions, "AudienceRestriction", SamlNames.Assertion);
        if (restrictions.Count == 0 || !restrictions.All(restriction => SamlXml.Children(restriction, "Audience", SamlNames.Assertion).Any(audience => audience.InnerText.Trim() == self.EntityId)))
        {
            throw Refused("audience", $"the assertion is for somebody else than Federation:Providers:{name}:EntityId");
        }

        // Core §2.5.1.1: a condition that is not understood leaves it open whether the assertion is valid.
        if (conditions.ChildNodes.OfType<XmlElement>().Any(condition => condition.NamespaceURI != SamlNames.Assertion || condition.LocalName is not ("AudienceRestriction" or "OneTimeUse" or "ProxyRestriction")))
        {
            throw Refused("conditions", "the assertion sets a condition that is not known here");
        }
    }

    /// <summary>Until when the assertion may be brought.</summary>
    private DateTimeOffset CheckConfirmation(XmlElement subject, string? request, DateTimeOffset now)
    {
        var reason = ("confirmation", "the assertion is not for whoever brings it (bearer)");
        foreach (var confirmation in SamlXml.Children(subject, "SubjectConfirmation", SamlNames.Assertion).Where(confirmation => confirmation.GetAttribute("Method") == SamlNames.Bearer))
        {
            if (SamlXml.Child(confirmation, "SubjectConfirmationData", SamlNames.Assertion, Refused) is not { } data)
            {
                continue;
            }

            if (data.GetAttribute("Recipient") != self.ConsumerUrl)
            {
                reason = ("recipient", "the assertion is to be brought to another address than ours");
            }
            else if (SamlXml.Time(data, "NotOnOrAfter", Refused) is not { } until || until <= now - Skew || SamlXml.Time(data, "NotBefore", Refused) > now + Skew)
            {
                reason = ("not_on_or_after", "the assertion may no longer be brought, or does not say until when; compare the clocks, or see ClockSkew");
            }
            else if (SamlXml.Attribute(data, "InResponseTo") != request)
            {
                reason = ("in_response_to", "the assertion answers another request");
            }
            else
            {
                return until;
            }
        }

        throw Refused(reason.Item1, reason.Item2);
    }

    /// <param name="subject">What holds it, verified.</param>
    public SamlNameId? NameId(XmlElement subject)
    {
        var element = SamlXml.Child(subject, "NameID", SamlNames.Assertion, Refused);
        if (SamlXml.Child(subject, "EncryptedID", SamlNames.Assertion, Refused) is { } encrypted)
        {
            // What signs the encrypted form has been verified by now.
            element = element is null && encryption.Decrypt(encrypted) is var plain && SamlXml.Is(plain, "NameID", SamlNames.Assertion) ? plain : throw Refused("nameid", "what is encrypted is no NameID");
        }

        if (element is null)
        {
            return null;
        }

        return element.ChildNodes.OfType<XmlElement>().Any() ? throw Refused("nameid", "the NameID holds elements")
            : new SamlNameId(element.InnerText.Trim(), SamlXml.Attribute(element, "Format"), SamlXml.Attribute(element, "NameQualifier"), SamlXml.Attribute(element, "SPNameQualifier"));
    }

    private static Dictionary<string, IReadOnlyList<string>> Attributes(XmlElement assertion)
    {
        var found = new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal);
        foreach (var attribute in SamlXml.Children(assertion, "AttributeStatement", SamlNames.Assertion).SelectMany(statement => SamlXml.Children(statement, "Attribute", SamlNames.Assertion)))
        {
            string[] values = [.. SamlXml.Children(attribute, "AttributeValue", SamlNames.Assertion).Where(value => !value.ChildNodes.OfType<XmlElement>().Any()).Select(value => value.InnerText.Trim())];
            var key = attribute.GetAttribute("Name");
            found[key] = found.TryGetValue(key, out var before) ? [.. before, .. values] : values;
        }

        return found;
    }

    public void CheckIssuer(XmlElement issuer)
    {
        if (issuer.InnerText.Trim() != options.Authority || issuer.GetAttribute("Format") is not ("" or SamlNames.EntityFormat))
        {
            throw Refused("iss", $"the message is of another issuer than Federation:Providers:{name}:Authority");
        }
    }

    private static void CheckStatus(XmlElement response)
    {
        var code = SamlXml.Child(response, "Status", SamlNames.Protocol, Refused) is { } status ? SamlXml.Child(status, "StatusCode", SamlNames.Protocol, Refused) : null;
        var first = code?.GetAttribute("Value");
        if (first == SamlNames.Success)
        {
            return;
        }

        var second = code is null ? null : SamlXml.Child(code, "StatusCode", SamlNames.Protocol, Refused)?.GetAttribute("Value");
        string? Known(string? value) => value?.StartsWith(SamlNames.StatusPrefix, StringComparison.Ordinal) == true && value[SamlNames.StatusPrefix.Length..] is { Length: <= 40 } word && word.All(char.IsAsciiLetter) ? word : null;
        throw Known(second) switch
        {
            "NoPassive" or "NoAuthnContext" => new ExternalRefusal(ExternalProblem.NotFresh, Known(second)!, "the provider would not ask the person to sign in as wanted"),
            "AuthnFailed" or "RequestDenied" => new ExternalRefusal(ExternalProblem.Denied, Known(second)!, "the person, or the provider for them, said no"),
            "InvalidNameIDPolicy" or "RequestUnsupported" or "UnsupportedBinding" or "UnknownPrincipal" => new ExternalRefusal(ExternalProblem.Setup, Known(second)!, "the provider cannot answer as asked: see NameIdFormat, and what it knows of us"),
            _ => Refused("status", $"the provider answers {Known(first) ?? "without a known status"}{(Known(second) is { } more ? " / " + more : "")}"),
        };
    }

    private static XmlElement Required(XmlElement parent, string child) => SamlXml.Child(parent, child, SamlNames.Assertion, Refused) ?? throw Refused("assertion", $"the assertion has no {child}");

    private static ExternalRefusal Refused(string reason, string detail) => new(ExternalProblem.Refused, reason, detail);
}
