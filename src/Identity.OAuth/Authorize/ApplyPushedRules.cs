// RFC 9126 §2.1: follows OpenIddict's Authentication.ValidatePushedAuthentication.
using System.Globalization;
using Identity.Accounts.RateLimits;
using Identity.OAuth.Requests;
using Microsoft.AspNetCore;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace Identity.OAuth.Authorize;

/// <summary>Our rules in OpenIddict's validation of pushed requests, and what of them may be stored.</summary>
internal sealed class ApplyPushedRules(AuthorizeRules rules, IRateLimiter limiter, IOptions<OAuthOptions> options) : IOpenIddictServerHandler<ValidatePushedAuthorizationRequestContext>
{
    // Characters. What is pushed is stored, whoever pushes it.
    private const int Longest = 32 * 1024;
    private const int Long = 4 * 1024;

    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ValidatePushedAuthorizationRequestContext>()
        .UseSingletonHandler<ApplyPushedRules>()
        .SetOrder(Authentication.ValidatePushedAuthentication.Descriptor.Order + 500)
        .Build();

    public async ValueTask HandleAsync(ValidatePushedAuthorizationRequestContext context)
    {
        var parameters = RequestParameters.Of(context.Request);
        if (parameters["redirect_uri"] is null)
        {
            context.Reject(OAuthErrors.InvalidRequest, "redirect_uri is missing.");
            return;
        }

        var result = await rules.ValidateAsync(parameters, context.CancellationToken);
        if (result.Request is null)
        {
            RefusalDetail.Set(context.Transaction, result.Error!.Detail);
            context.Reject(result.Error.Code, result.Error.Description);
        }
        else if (result.Request.Client.RequireSignedRequestObject && RequestObject.Of(context.Transaction) is null)
        {
            context.Reject(OAuthErrors.InvalidRequest, "This client signs its requests: push a request object.");
        }
        else if (parameters.Names.Sum(name => name.Length + parameters.All(name).Sum(value => value.Length)) is > Long and var length)
        {
            await LimitAsync(context, length, result.Request.Client.IsPublic);
        }
    }

    // RFC 9126 §2.3 names both answers.
    private async Task LimitAsync(ValidatePushedAuthorizationRequestContext context, int length, bool isPublic)
    {
        var http = context.Transaction.GetHttpRequest()!.HttpContext;
        if (length > Longest)
        {
            Refuse(StatusCodes.Status413PayloadTooLarge, OAuthErrors.InvalidRequest, "The request is too long.");
        }
        else if (isPublic && await limiter.AcquireAsync("pushed_request", CountedAddress.Of(http.Connection.RemoteIpAddress), options.Value.LongPushesPerAddress, TimeSpan.FromHours(1), context.CancellationToken) is { Allowed: false } lease)
        {
            http.Response.Headers.RetryAfter = Math.Max(1, (int)Math.Ceiling(lease.RetryAfter.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
            Refuse(StatusCodes.Status429TooManyRequests, OAuthErrors.TemporarilyUnavailable, "Too many long requests from this address.");
        }

        void Refuse(int status, string error, string description)
        {
            http.Response.OnStarting(() =>
            {
                http.Response.StatusCode = status;
                return Task.CompletedTask;
            });
            context.Reject(error, description);
        }
    }
}
