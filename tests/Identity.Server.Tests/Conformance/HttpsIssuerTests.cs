namespace Identity.Server.Tests.Conformance;
public sealed class HttpsIssuerTests;
