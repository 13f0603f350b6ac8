using Identity.Api.Contracts;
using Identity.Api.OpenApi;
using Identity.OAuth;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;

namespace Identity.Api.Controllers;

/// <summary>GET /api/identity.</summary>
[Route("api/identity")]
[Tags("Service")]
public sealed class ServiceController(IOptions<OAuthOptions> oauth, IOptions<ApiDocumentOptions> documents) : ContractController
{
    [HttpGet(Name = "getService")]
    [EndpointSummary("See what answers here")]
    [EndpointDescription("For everybody: the issuer, and where these routes (OpenAPI) and the messages (AsyncAPI) are described, where the operator has that open.")]
    [ProducesResponseType<ServiceResponse>(StatusCodes.Status200OK)]
    [Fails(406, Failures.ErrorCodes.NotAcceptable, "Only application/json is answered.")]
    public IActionResult Get()
    {
        var issuer = oauth.Value.Issuer;
        var answer = new ServiceResponse("Identity", typeof(ServiceController).Assembly.GetName().Version!.ToString(3), issuer, issuer + "/.well-known/openid-configuration");
        return Success(documents.Value.AreOpen
            ? answer with { OpenApi = issuer + ApiDocumentOptions.OpenApiPath, AsyncApi = issuer + ApiDocumentOptions.AsyncApiPath, Docs = issuer + ApiDocumentOptions.DocsPath }
            : answer);
    }
}
