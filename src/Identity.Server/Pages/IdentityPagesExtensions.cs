using Identity.OAuth;
using Identity.OAuth.Storage;
using Identity.Server.Hosting;
using Identity.Server.Pages.Branding;
using Identity.Server.Pages.Flow;
using Identity.Server.Pages.MyAccount;
using Identity.ServiceDefaults.Settings;
using Microsoft.AspNetCore;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.ApplicationModels;
using Microsoft.AspNetCore.Mvc.ModelBinding;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Identity.Server.Pages;

/// <summary>Composition of the pages. The host adds <see cref="BrowserSession"/>, <see cref="ReturnUrls"/> and <see cref="Interactions"/>.</summary>
public static class IdentityPagesExtensions
{
    /// <summary>Registers the pages, their texts and the brand.</summary>
    public static IServiceCollection AddIdentityPages(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddOptions<BrandingOptions>().BindSection(BrandingOptions.Section);
        services.AddSingleton<IValidateOptions<BrandingOptions>, BrandingValidation>();
        services.AddSingleton<Brand>();
        services.AddSingleton<Reach>();
        services.AddLocalization();
        services.AddSingleton<RequestContexts>();
        services.AddSingleton<SameOrigin>();
        services.AddSingleton<OldForms>();
        services.AddSingleton<PageLanguage>();
        services.AddSingleton<PageHeaders>();
        services.AddSingleton<ProfileChoices>();
        services.AddSingleton<FormPostPage>();
        services.AddScoped<PageServices>();
        services.AddScoped<ScopeWords>();
        services.AddRazorPages(options => options.Conventions.AddFolderApplicationModelConvention("/", model =>
        {
            model.Filters.Add(new ServiceFilterAttribute<SameOrigin>());
            model.Filters.Add(new ServiceFilterAttribute<PageLanguage>());
            model.Filters.Add(new ServiceFilterAttribute<PageHeaders>());

            // After Razor Pages' own (1000): the last policy is the one in force.
            model.Filters.Add(new ServiceFilterAttribute<OldForms> { Order = 2000 });
        }));

        var builtIn = services.Single(service => service.ServiceType == typeof(IPageApplicationModelPartsProvider));
        services.Replace(ServiceDescriptor.Singleton<IPageApplicationModelPartsProvider>(provider =>
            new BoundProperties((IPageApplicationModelPartsProvider)ActivatorUtilities.CreateInstance(provider, builtIn.ImplementationType!))));

        // Nothing here is written in jQuery's brackets, and a name with one bracket too few makes its reader throw.
        services.Configure<MvcOptions>(options =>
        {
            options.ValueProviderFactories.RemoveType<JQueryFormValueProviderFactory>();
            options.ValueProviderFactories.RemoveType<JQueryQueryStringValueProviderFactory>();
        });
        return services;
    }

    /// <summary>
    /// Serves the pages' files, and shows pages for statuses without a body and for our own faults, where a person asked: requests that accept HTML, and refusals of the authorize and end-session endpoints.
    /// Goes before routing.
    /// </summary>
    public static IApplicationBuilder UsePageErrors(this IApplicationBuilder app)
    {
        app.UseStaticFiles(new StaticFileOptions
        {
            // Pages ask for files by their content's hash; without it they must be asked for again.
            OnPrepareResponse = file => file.Context.Response.Headers.CacheControl = file.Context.Request.Query.ContainsKey("v") ? "public, max-age=31536000, immutable" : "no-cache",
        });
        app.UseExceptionHandler(new ExceptionHandlerOptions { ExceptionHandlingPath = "/status/500", CreateScopeForErrors = true, SuppressDiagnosticsCallback = handled => StoreOutage.IsBusy(handled.Exception) });
        app.UseStatusCodePagesWithReExecute("/status/{0}");
        app.Use(async (context, next) =>
        {
            await next(context);
            if (context.Features.Get<IStatusCodePagesFeature>() is { } feature && context.Features.Get<OAuthError>() is null && context.GetOpenIddictServerResponse()?.Error is null && !AcceptsHtml(context.Request))
            {
                feature.Enabled = false;
            }
        });
        return app;
    }

    /// <summary>Maps the pages, and the brand's stylesheet and logo.</summary>
    public static void MapIdentityPages(this IEndpointRouteBuilder endpoints)
    {
        endpoints.MapBrand();

        // A Well-Known URL for Changing Passwords (W3C): password managers lead people there.
        endpoints.MapMethods("/.well-known/change-password", [HttpMethods.Get, HttpMethods.Head], (HttpContext context) => Results.Redirect(context.Request.PathBase + "/account/password")).ExcludeFromDescription();
        PageLanguage.MapLanguage(endpoints);
        endpoints.MapPasswordStrength();
        endpoints.MapRazorPages();
    }

    private static bool AcceptsHtml(HttpRequest request) =>
        request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase);
}
