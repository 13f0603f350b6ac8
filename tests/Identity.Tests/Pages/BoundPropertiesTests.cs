using Microsoft.AspNetCore.Mvc.ApplicationModels;
using Microsoft.AspNetCore.Mvc.Infrastructure;
using Microsoft.AspNetCore.Mvc.ModelBinding;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Pages;

[Collection(PagesCollection.Name)]
public sealed class BoundPropertiesTests(PagesFixture fixture)
{
    // [BindProperties] on a page, or a file among its properties, would be read by the built-in provider alone.
    [Fact]
    public void Properties_OfEveryPage_AreBoundAsByTheBuiltInProvider()
    {
        var services = fixture.Server.Services;
        var builtIn = (IPageApplicationModelPartsProvider)ActivatorUtilities.CreateInstance(services, typeof(PageModel).Assembly.GetType("Microsoft.AspNetCore.Mvc.ApplicationModels.DefaultPageApplicationModelPartsProvider", throwOnError: true)!);
        var ours = services.GetRequiredService<IPageApplicationModelPartsProvider>();
        Assert.NotEqual(builtIn.GetType(), ours.GetType());
        var pages = services.GetRequiredService<IActionDescriptorCollectionProvider>().ActionDescriptors.Items.OfType<CompiledPageActionDescriptor>().ToArray();
        Assert.NotEmpty(pages);
        var bound = 0;
        foreach (var property in pages.SelectMany(page => page.HandlerTypeInfo.GetProperties()).DistinctBy(property => (property.DeclaringType, property.Name)))
        {
            var expected = builtIn.CreatePropertyModel(property).BindingInfo;
            Assert.Equal((property, Told(expected)), (property, Told(ours.CreatePropertyModel(property).BindingInfo)));
            bound += expected is null ? 0 : 1;
        }

        Assert.True(bound > 50, $"{bound} properties are bound.");
    }

    private static (string? Source, string? Name, Type? Binder, bool HasPredicate)? Told(BindingInfo? binding) =>
        binding is null ? null : (binding.BindingSource?.Id, binding.BinderModelName, binding.BinderType, binding.RequestPredicate is not null);
}
