// OAuth 2.0 Form Post Response Mode 1.0: replaces OpenIddict's Authentication.ProcessFormPostResponse, whose inline script our content security policy forbids.
using Identity.OAuth;
using Identity.Server.Pages;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using OpenIddict.Server.AspNetCore;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.Server.Endpoints;

/// <summary>The page that carries an answer back to the application.</summary>
internal sealed class FormPostAnswer(FormPostPage page, RequestContexts clients) : IOpenIddictServerHandler<ApplyAuthorizationResponseContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ApplyAuthorizationResponseContext>()
        .UseSingletonHandler<FormPostAnswer>()
        .SetOrder(OpenIddictServerAspNetCoreHandlers.Authentication.ProcessFormPostResponse.Descriptor.Order)
        .Build();

    public async ValueTask HandleAsync(ApplyAuthorizationResponseContext context)
    {
        if (string.IsNullOrEmpty(context.RedirectUri) || context.ResponseMode != OpenIddictConstants.ResponseModes.FormPost)
        {
            return;
        }

        var http = context.Transaction.GetHttpRequest()!.HttpContext;
        var clientId = context.Request?.ClientId ?? "";
        var application = (await clients.FindAsync(clientId, context.CancellationToken))?.Name ?? clientId;
        var fields = RequestParameters.Of(context.Response);
        http.Response.StatusCode = StatusCodes.Status200OK;
        await page.WriteAsync(http, new FormPost(context.RedirectUri, application, [.. fields.Names.Select(name => KeyValuePair.Create(name, fields[name]!))]));
        context.HandleRequest();
    }
}
